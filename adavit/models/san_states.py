"""States of last layers with and without SAN, made of one another: the same function, as far as the other can be it."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from adavit.models.last_layer import LastLayer
from adavit.models.san import SanLayer, sliced

_ALIKE = 1e-3
"""Factors that differ by no more are one."""


def sliced_state(layer: SanLayer, plain: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state with which a last layer of SAN is the function of one without.

    Args:
        layer: Not changed.
        plain: State of a layer as it stands in for. Not changed.

    Raises:
        RuntimeError: If that has other parts or sizes.
    """
    last = copy.deepcopy(layer.replaced)
    last.load_state_dict(plain)
    return sliced(last).state_dict()


@torch.no_grad()
def plain_state(last: LastLayer, cut: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The state with which a last layer without SAN is the function of one with it.

    Args:
        last: Not changed.
        cut: State of SAN's last layer in place of such a layer. Not changed.

    Returns:
        The state, and in words what of the function it cannot be; empty where it is all of it.

    Raises:
        RuntimeError: If that has other parts or sizes.
    """
    last = copy.deepcopy(last)
    return _of_classes(last, cut) if last.projection is not None else _of_one_direction(last, cut)


def _of_one_direction(last: LastLayer, cut: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    dense: Any = last.dense
    weight, bias, scale = cut["dense.weight"], cut["dense.bias"], cut["scale"]
    if weight.shape != dense.weight.shape:
        raise RuntimeError(f"expected a weight {list(dense.weight.shape)}")
    direction = weight / weight.norm()
    offset = (direction * bias).sum() * weight.numel() ** -0.5
    lost = ""
    if parametrize.is_parametrized(dense, "weight"):
        dense.parametrizations.weight.original.copy_(weight)
        bound = dense.weight.norm().to(scale.device)
        lost = _lost([scale / bound], "its scale, which is bounded here")
        scale = bound
    else:
        dense.weight.copy_(direction * scale / getattr(dense, "weight_gain", 1.0))
    dense.bias.fill_((scale * offset / getattr(dense, "bias_gain", 1.0)).item())
    return last.state_dict(), lost


def _of_classes(last: LastLayer, cut: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    assert last.projection is not None
    state = {name: tensor for name, tensor in cut.items() if name != "scale"}
    last.load_state_dict(state)
    vectors = last.projection.class_vectors(
        torch.arange(last.projection.num_classes, device=next(last.parameters()).device)
    )
    # Without SAN a class weighs as much as its vector is long.
    factors = cut["scale"].to(vectors.device) / (vectors.norm(dim=1) * last.projection.gain)
    dense: Any = last.dense
    if parametrize.is_parametrized(dense, "weight"):
        return state, _lost(factors, "its scale, which is bounded here")
    factor = factors.mean()
    dense.weight.mul_(factor)
    dense.bias.mul_(factor)
    return last.state_dict(), _lost(factors / factor, "a scale of each class")


def _lost(factors: Tensor | list[Tensor], what: str) -> str:
    return what if any(abs(factor.item() - 1) > _ALIKE for factor in factors) else ""
