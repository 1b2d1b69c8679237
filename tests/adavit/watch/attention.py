"""Attention whose answers are known, for the tests of what is measured at it."""

import pytest
import torch
from torch import Tensor

from adavit.models.vit.layout import TokenLayout

PLAIN = TokenLayout(rows=3, columns=5)


FULL = TokenLayout(rows=3, columns=5, class_tokens=1, registers=2)


LAYOUTS = pytest.mark.parametrize("layout", [PLAIN, FULL])


def uniform(layout: TokenLayout) -> Tensor:
    return torch.full((2, 4, layout.count, layout.count), 1 / layout.count, dtype=torch.float64)


def identity(layout: TokenLayout) -> Tensor:
    return torch.eye(layout.count, dtype=torch.float64).expand(2, 4, -1, -1)


def one_hot(layout: TokenLayout, key: int) -> Tensor:
    weights = torch.zeros(2, 4, layout.count, layout.count, dtype=torch.float64)
    weights[..., key] = 1
    return weights


def random(layout: TokenLayout, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 4, layout.count, layout.count)
    return torch.randn(shape, generator=generator, dtype=torch.float64).softmax(dim=-1)
