"""What layers use of their weights, made once for all passes of a step: times their gains, in the type of autocast.

A weight with equalised learning rate is multiplied by a constant in each pass, and autocast casts it there: four
kernels for a convolution, forward and backward, in every pass. Here lists of weights go through two kernels for all
layers and all passes. In bfloat16 what several passes say of a weight is then added in bfloat16, as autocast does
with weights that it casts by itself.
"""

import contextlib
import contextvars
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from adavit.runtime.precision import autocast_dtype


class Used(NamedTuple):
    """How a layer uses a parameter.

    Attributes:
        parameter: As it is trained.
        gain: It is multiplied by.
        autocast: Whether it is used in the type of autocast, where that is on.
    """

    parameter: nn.Parameter
    gain: float
    autocast: bool


@runtime_checkable
class Prepared(Protocol):
    """Interface of a layer whose parameters are prepared. It asks `prepared` for what it uses."""

    def uses(self) -> Iterable[Used]:
        """What it will ask for."""


_READY: contextvars.ContextVar[Mapping[Tensor, Tensor]] = contextvars.ContextVar(
    "prepared weights",
    default={},  # noqa: B039, it is never written to
)


def prepared(parameter: Tensor, gain: float = 1.0) -> Tensor:
    """A parameter times its gain; within `weights_prepared` as that has made it."""
    if not torch.compiler.is_compiling():  # which would differentiate `_Preparation` wrongly
        ready = _READY.get().get(parameter)
        if ready is not None:
            return ready
    return parameter if gain == 1.0 else parameter * gain


@contextlib.contextmanager
def weights_prepared(networks: Iterable[nn.Module], device: torch.device) -> Iterator[None]:
    """While entered, the layers of networks share what is made of their parameters now; entered anew for each graph.

    Args:
        networks: Their parameters must not change meanwhile.
        device: Of the networks, which says whether autocast is on.
    """
    ready: dict[Tensor, Tensor] = {}
    for network in networks:
        layers = [layer for layer in network.modules() if isinstance(layer, Prepared)]
        uses = [use for layer in layers for use in layer.uses()]
        # One function computes the gradients of all it is given, or of none, and the way to it leads through all that
        # has used any of them: so what is frozen is apart, and each network from the others.
        for trained in (True, False):
            ready |= _made([use for use in uses if use.parameter.requires_grad == trained], device)
    token = _READY.set(ready)
    try:
        yield
    finally:
        _READY.reset(token)


def _made(uses: Sequence[Used], device: torch.device) -> dict[Tensor, Tensor]:
    """What is used instead of the parameters, where that is not themselves."""
    dtype = autocast_dtype(device)
    parameters, gains, dtypes = [], [], []
    for parameter, gain, autocast in uses:
        wanted = dtype if autocast and dtype is not None else parameter.dtype
        if (gain, wanted) != (1.0, parameter.dtype):
            parameters.append(parameter)
            gains.append(gain)
            dtypes.append(wanted)
    if not parameters:
        return {}
    return dict(zip(parameters, _Preparation.apply(gains, dtypes, *parameters), strict=True))


class _Preparation(torch.autograd.Function):
    """Parameters times their gains, each in a type of its own: linear, so its gradient is the like."""

    @staticmethod
    def forward(
        ctx: Any, gains: Sequence[float], dtypes: Sequence[torch.dtype], *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.gains, ctx.dtypes = gains, [parameter.dtype for parameter in parameters]
        ctx.set_materialize_grads(False)
        return tuple(_cast(_multiplied(parameters, gains), dtypes))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        asked = [place for place, gradient in enumerate(gradients) if gradient is not None]
        given = [gradient for gradient in gradients if gradient is not None]
        gains, dtypes = ([of[place] for place in asked] for of in (ctx.gains, ctx.dtypes))
        if torch.is_grad_enabled():  # the list kernels below write in place
            values = [g.to(d) * gain for g, d, gain in zip(given, dtypes, gains, strict=True)]
        else:
            values = _multiplied(_cast(given, dtypes), gains)
        found: list[Tensor | None] = [None] * len(gradients)
        for place, value in zip(asked, values, strict=True):
            found[place] = value
        return None, None, *found


def _multiplied(tensors: Sequence[Tensor], gains: Sequence[float]) -> list[Tensor]:
    """Those whose gain is not 1 multiplied, by one kernel for all."""
    places = [place for place, gain in enumerate(gains) if gain != 1.0]
    found = list(tensors)
    if places:
        products = torch._foreach_mul(
            [tensors[place] for place in places], [gains[place] for place in places]
        )
        for place, product in zip(places, products, strict=True):
            found[place] = product
    return found


def _cast(tensors: Sequence[Tensor], dtypes: Sequence[torch.dtype]) -> list[Tensor]:
    """Those of another type cast, likewise."""
    found = [
        tensor if tensor.dtype == dtype else torch.empty_like(tensor, dtype=dtype)
        for tensor, dtype in zip(tensors, dtypes, strict=True)
    ]
    pairs = [(new, old) for new, old in zip(found, tensors, strict=True) if new is not old]
    if pairs:
        torch._foreach_copy_([new for new, _ in pairs], [old for _, old in pairs])
    return found
