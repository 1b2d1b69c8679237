"""Entropy, largest logit and similarity at attention whose answer is known."""

import math

import pytest
import torch

from adavit.models.vit.layout import TokenLayout
from adavit.watch.capture import SeenAttention, Tokens
from adavit.watch.figures import (
    CollapseObserver,
    attention_entropy,
    largest_logit,
    token_similarity,
)
from tests.adavit.watch.attention import LAYOUTS, identity, one_hot, uniform


@LAYOUTS
def test_entropy_is_one_for_uniform_and_zero_for_one_hot_attention(layout: TokenLayout) -> None:
    logits = torch.zeros(2, 4, layout.count, layout.count)
    ones = torch.ones(2, 4, layout.count, dtype=torch.float64)
    torch.testing.assert_close(attention_entropy(uniform(layout), logits), ones)
    torch.testing.assert_close(attention_entropy(identity(layout), logits), 0 * ones)
    torch.testing.assert_close(attention_entropy(one_hot(layout, 3), logits), 0 * ones)


def test_entropy_of_two_equal_weights_of_eight_is_a_third() -> None:
    weights = torch.tensor([[0.5, 0.5, 0, 0, 0, 0, 0, 0]])
    torch.testing.assert_close(attention_entropy(weights, torch.zeros(1, 8)), torch.tensor([1 / 3]))


def test_entropy_and_largest_logit_do_not_count_masked_tokens() -> None:
    logits = torch.tensor([[-math.inf, 2.0, 2.0], [1.0, -math.inf, 1.0], [-3.0, -3.0, -math.inf]])
    torch.testing.assert_close(attention_entropy(logits.softmax(-1), logits), torch.ones(3))
    assert largest_logit(logits[None, None, None]).item() == 3.0
    alone = torch.tensor([[0.0, -math.inf]])
    assert attention_entropy(alone.softmax(-1), alone).item() == 1.0


def test_largest_logit_is_of_each_head_and_of_either_sign() -> None:
    logits = torch.zeros(2, 3, 2, 4, 5)
    logits[1, 2, 0, 3, 4], logits[0, 0, 1, 0, 0] = -7.0, 5.0
    assert largest_logit(logits).tolist() == [7.0, 5.0]


def test_similarity_is_that_of_all_pairs_of_different_tokens() -> None:
    tokens = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for image, found in zip(tokens, token_similarity(tokens), strict=True):
        pairs = [
            torch.cosine_similarity(image[i], image[j], dim=0)
            for i in range(7)
            for j in range(7)
            if i != j
        ]
        torch.testing.assert_close(found, torch.stack(pairs).mean())


def test_similarity_of_equal_orthogonal_and_opposite_tokens() -> None:
    same = torch.ones(1, 6, 4) * torch.arange(1, 7)[:, None]
    found = [token_similarity(x).item() for x in (same, torch.eye(4)[None])]
    assert found == pytest.approx([1.0, 0.0])
    assert token_similarity(torch.tensor([[[1.0], [-2.0]]])).item() == pytest.approx(-1.0)
    assert math.isnan(token_similarity(torch.ones(1, 1, 3)).item())


def test_figures_of_several_passes_are_means_of_images_and_the_largest_of_all_logits() -> None:
    observer = CollapseObserver()
    for size, images in ((2.0, 1), (9.0, 3), (4.0, 1)):
        logits = torch.zeros(images, 1, 2, 3, 3)
        logits[:, :, 1] = size * torch.eye(3)
        observer.attention(SeenAttention("block 1", "all", logits, logits.softmax(-1), read=3))
        patches = torch.eye(2).expand(images, 2, 2) if size == 9 else torch.ones(images, 2, 2)
        observer.tokens(Tokens("block 1", patches, read=True))
    (attention,) = observer.attention_figures()
    assert attention.largest_logit == [0.0, 9.0]
    entropies = [
        -sum(share * math.log(share) for share in (math.e**size / total, 1 / total, 1 / total))
        for size, total in ((size, math.e**size + 2) for size in (2.0, 9.0, 9.0, 9.0, 4.0))
    ]
    expected = [1.0, sum(entropies) / 5 / math.log(3)]
    assert attention.entropy == pytest.approx(expected, rel=1e-5)
    (tokens,) = observer.token_figures()
    assert (tokens.name, tokens.read) == ("block 1", True)
    assert tokens.similarity == pytest.approx(2 / 5)
