import numpy as np
import pytest
import torch

from adavit.models.epilogue import LabelProjection, minibatch_std
from tests.references.models import minibatch_std_by_loops


@pytest.mark.parametrize(("batch", "group"), [(8, 4), (6, 3), (5, 1)])
def test_minibatch_std_equals_the_loops(batch: int, group: int) -> None:
    features = np.random.default_rng(0).normal(size=(batch, 3, 4, 5)).astype(np.float32)
    result = minibatch_std(torch.from_numpy(features), group)
    expected = torch.from_numpy(minibatch_std_by_loops(features, group)).float()
    torch.testing.assert_close(result, expected)


def test_minibatch_std_of_two_opposite_samples_is_their_size() -> None:
    features = torch.stack([torch.full((3, 2, 2), 2.5), torch.full((3, 2, 2), -2.5)])
    torch.testing.assert_close(minibatch_std(features, 2), torch.tensor([2.5, 2.5]))


def test_minibatch_std_has_right_second_derivatives() -> None:
    features = torch.randn(4, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: minibatch_std(x, 2), features)
    assert torch.autograd.gradgradcheck(lambda x: minibatch_std(x, 2), features)


def test_projection_is_the_product_with_the_vector_of_the_class_over_the_root_of_its_length() -> (
    None
):
    torch.manual_seed(0)
    projection = LabelProjection(3, 16, layers=2)
    vectors, labels = torch.randn(5, 16), torch.tensor([0, 2, 1, 1, 0])
    classes = projection.layers(projection.embedding(torch.arange(3)))
    expected = [vectors[i].dot(classes[labels[i]]) / 4 for i in range(5)]
    torch.testing.assert_close(projection(vectors, labels), torch.stack(expected))
