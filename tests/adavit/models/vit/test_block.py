"""An encoder block: attention and a perceptron on normalised tokens, each scaled and added."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from adavit.models.vit.attention import DotScore
from adavit.models.vit.block import EncoderBlock
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.position import NoAttentionPosition

LAYOUT = TokenLayout(rows=2, columns=3, class_tokens=1)


def block(**changes: Any) -> EncoderBlock:
    torch.manual_seed(0)
    sizes = {"width": 8, "heads": 2, "mlp_ratio": 2.0, "layer_scale": 0.3}
    return EncoderBlock(
        LAYOUT, **{**sizes, **changes}, score=DotScore, position=NoAttentionPosition
    )


def test_both_branches_are_scaled_and_added() -> None:
    made, tokens = block(), torch.randn(2, LAYOUT.count, 8)
    mixed = made.attention(
        F.layer_norm(tokens, (8,), eps=1e-6), twice_differentiable=True, read=None, places=None
    )
    between = tokens + 0.3 * mixed
    first, _, second = made.mlp
    hidden = F.gelu(F.linear(F.layer_norm(between, (8,), eps=1e-6), first.weight, first.bias))
    expected = between + 0.3 * F.linear(hidden, second.weight, second.bias)
    found = made(tokens, twice_differentiable=True)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_a_scale_of_nearly_zero_leaves_the_tokens() -> None:
    made, tokens = block(layer_scale=1e-12), torch.randn(2, LAYOUT.count, 8)
    torch.testing.assert_close(made(tokens, twice_differentiable=True), tokens)


def test_only_the_tokens_that_are_read_come_out() -> None:
    made, tokens = block(), torch.randn(2, LAYOUT.count, 8)
    whole = made(tokens, twice_differentiable=True)
    read = made(tokens, twice_differentiable=True, read=1)
    torch.testing.assert_close(read, whole[:, :1], rtol=1e-5, atol=1e-6)


def test_the_hidden_layer_has_the_ratio_of_the_width() -> None:
    assert [module.out_features for module in block().mlp if isinstance(module, nn.Linear)] == [
        16,
        8,
    ]
    with pytest.raises(
        ValueError, match=r"mlp_ratio is 0\.01, but mlp_ratio \* width \(8\) must be"
    ):
        block(mlp_ratio=0.01)
