import math

import pytest
import torch
from torch import nn

from adavit.models.last_layer import LastLayer, Projection, over_tokens

LABELS = torch.tensor([2, 0, 2])


def test_one_number_is_the_logit() -> None:
    dense = nn.Linear(5, 1)
    features = torch.randn(3, 5)
    expected = features @ dense.weight[0] + dense.bias
    torch.testing.assert_close(LastLayer(dense)(features, None), expected)


def test_the_logit_of_tokens_is_the_mean_of_theirs() -> None:
    dense = nn.Linear(5, 1)
    tokens = torch.randn(3, 7, 5)
    expected = torch.stack([dense(token).squeeze(1) for token in tokens.unbind(1)]).mean(dim=0)
    torch.testing.assert_close(LastLayer(dense)(tokens, None), expected)


def test_a_map_has_a_logit_at_each_place() -> None:
    dense = nn.Conv2d(4, 1, 2)
    features = torch.randn(3, 4, 5, 3)
    assert torch.equal(LastLayer(dense)(features, None), dense(features)[:, 0])


@pytest.mark.parametrize("shape", [(3, 5), (3, 7, 5), (3, 5, 4, 2)])
def test_classes_are_compared_with_what_the_dense_layer_makes(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    dense: nn.Module = nn.Conv2d(5, 6, 2) if len(shape) == 4 else nn.Linear(5, 6)
    last = LastLayer(dense, Projection(3, 6))
    features = torch.randn(shape)
    vectors = over_tokens(dense(features))
    classes = last.projection.class_vectors(LABELS)  # type: ignore[union-attr]
    torch.testing.assert_close(classes.square().mean(dim=1), torch.ones(3))
    expected = torch.einsum("bm...,bm->b...", vectors, classes) / math.sqrt(6)
    torch.testing.assert_close(last(features, LABELS), expected)


@pytest.mark.parametrize("classes", [0, 3])
def test_what_is_prepared_is_what_is_read(classes: int) -> None:
    last = LastLayer(nn.Linear(5, 6 if classes else 1), Projection(3, 6) if classes else None)
    features = torch.randn(3, 5)
    vectors = last.prepare(features)
    assert vectors.shape == (3, 6 if classes else 5)
    assert torch.equal(last.read(vectors, LABELS), last(features, LABELS))
