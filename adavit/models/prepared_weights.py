"""What layers use of their weights, made once for all passes of a step: times their gains, in the type of autocast.

A weight with equalised learning rate is multiplied by a constant in each pass, and autocast casts it there: four
kernels for a convolution, forward and backward, in every pass. Here lists of weights go through two kernels for all
layers and all passes, and what several passes say of all weights is added by one, where autograd needs one for each.
In bfloat16 that is added in bfloat16, as autocast does with weights that it casts by itself.
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


def weights_prepared(
    network: nn.Module, device: torch.device, *, passes: int = 1
) -> list[contextlib.AbstractContextManager[None]]:
    """What the layers of a network use of their parameters, made now for the passes of one graph.

    Args:
        network: Its parameters must not change before these passes are over.
        device: Of the network, which says whether autocast is on.
        passes: How many there will be.

    Returns:
        For each pass what it is to happen within.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, Prepared)]
    uses = [use for layer in layers for use in layer.uses()]
    made: list[dict[Tensor, Tensor]] = [{} for _ in range(passes)]
    # One function computes the gradients of all it is given, or of none: so what is frozen is apart.
    for trained in (True, False):
        chosen = [use for use in uses if use.parameter.requires_grad == trained]
        for ready, found in zip(made, _made(chosen, device, passes), strict=True):
            ready |= found
    return [_within(ready) for ready in made]


@contextlib.contextmanager
def _within(ready: Mapping[Tensor, Tensor]) -> Iterator[None]:
    token = _READY.set({**_READY.get(), **ready})
    try:
        yield
    finally:
        _READY.reset(token)


def _made(uses: Sequence[Used], device: torch.device, passes: int) -> list[dict[Tensor, Tensor]]:
    """For each pass, what is used instead of the parameters."""
    dtype = autocast_dtype(device)
    parameters, gains, dtypes = [], [], []
    for parameter, gain, autocast in uses:
        wanted = dtype if autocast and dtype is not None else parameter.dtype
        if passes > 1 or (gain, wanted) != (1.0, parameter.dtype):
            parameters.append(parameter)
            gains.append(gain)
            dtypes.append(wanted)
    if not parameters:
        return [{} for _ in range(passes)]
    values = _Preparation.apply(passes, gains, dtypes, *parameters)
    return [dict(zip(parameters, values[number::passes], strict=True)) for number in range(passes)]


class _Preparation(torch.autograd.Function):
    """Parameters times their gains, each in its type and once for each pass: linear, so its gradient is the like."""

    @staticmethod
    def forward(
        ctx: Any,
        passes: int,
        gains: Sequence[float],
        dtypes: Sequence[torch.dtype],
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.passes, ctx.gains = passes, gains
        ctx.dtypes = [parameter.dtype for parameter in parameters]
        ctx.set_materialize_grads(False)
        values = _cast(_multiplied(parameters, gains), dtypes)
        return tuple(value.view_as(value) for value in values for _ in range(passes))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        sums = _added([gradients[number :: ctx.passes] for number in range(ctx.passes)])
        asked = [place for place, gradient in enumerate(sums) if gradient is not None]
        given = [gradient for gradient in sums if gradient is not None]
        gains, dtypes = ([of[place] for place in asked] for of in (ctx.gains, ctx.dtypes))
        if torch.is_grad_enabled():  # the list kernels below write in place
            values = [g.to(d) * gain for g, d, gain in zip(given, dtypes, gains, strict=True)]
        else:
            values = _multiplied(_cast(given, dtypes), gains)
        found: list[Tensor | None] = [None] * len(sums)
        for place, value in zip(asked, values, strict=True):
            found[place] = value
        return None, None, None, *found


def _added(passes: Sequence[Sequence[Tensor | None]]) -> list[Tensor | None]:
    """The sums of what the passes say of each weight; None where none of them has used it."""
    found = list(passes[0])
    for more in passes[1:]:
        pairs = {
            place: (one, other)
            for place, (one, other) in enumerate(zip(found, more, strict=True))
            if one is not None and other is not None
        }
        found = [one if other is None else other for one, other in zip(found, more, strict=True)]
        if pairs:
            sums = torch._foreach_add(*(list(side) for side in zip(*pairs.values(), strict=True)))
            for place, value in zip(pairs, sums, strict=True):
                found[place] = value
    return found


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
