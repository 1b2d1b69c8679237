"""Sources of the operations' random numbers: random, or all at one quantile.

An operation never calls a random function itself: it asks a `Draws` for gates and for uniform, normal and
discrete values. `RandomDraws` draws them; `QuantileDraws` gives the fixed values of the deterministic mode. So
every operation has one line for its parameter, and both modes share it.

Values are float32 whatever the dtype of the images, so that a seed means the same parameters at every
precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from statistics import NormalDist
from typing import Any, Protocol

import torch
from torch import Tensor

Parameters = dict[str, Tensor]
"""The drawn parameters of one group, each tensor with the batch first."""


class Draws(Protocol):
    """A source of the numbers for one batch of images."""

    batch: int
    device: torch.device

    def gates(self, multipliers: Tensor) -> Tensor:
        """One gate for each multiplier [K], bool [K, B]; open with probability multiplier times p."""
        ...

    def gates_of_pair(self, multiplier: Tensor) -> Tensor:
        """Two gates bool [2, B] of which at least one is open with probability `multiplier` [1] times p."""
        ...

    def strengths(self, multipliers: Tensor) -> Tensor:
        """Multiplier times p [K], of multipliers [K]: for an operation that p makes stronger, not more frequent."""
        ...

    def uniform(self, count: int) -> Tensor:
        """Numbers [count, B], uniform in [0, 1)."""
        ...

    def normal(self, count: int) -> Tensor:
        """Numbers [count, B], standard normal."""
        ...

    def half_normal(self) -> Tensor:
        """Absolute values of standard normals [B]."""
        ...

    def field(self, shape: torch.Size) -> Tensor:
        """Standard normals of any shape. Random in the deterministic mode too."""
        ...


LARGEST_UNIFORM = 1 - 2.0**-24
"""Below 1 in float32, as what torch draws."""

UNIFORM_ROWS, NORMAL_ROWS = 32, 16
"""Numbers for each image that are drawn at once: `bgcfnc` takes 30 and 12."""


class _Rows:
    """Rows [B] of random numbers, drawn many at a time: a call for each would be most of what sampling costs.

    Args:
        draw: Draws a shape.
        batch: B.
        at_once: How many, if no more are asked for.
    """

    def __init__(self, draw: Callable[[Sequence[int]], Tensor], batch: int, at_once: int) -> None:
        self._draw, self._batch, self._at_once = draw, batch, at_once
        self._left: Tensor | None = None

    def take(self, count: int) -> Tensor:
        """The next rows [count, B]."""
        if self._left is None or len(self._left) < count:
            self._left = self._draw((max(count, self._at_once), self._batch))
        taken, self._left = self._left[:count], self._left[count:]
        return taken


class RandomDraws:
    """Independent random numbers for every image.

    Args:
        batch: Number of images.
        p: Probability 0-d, in [0, 1], on any device that broadcasts with `device`.
        device: Where the values are wanted; None means the device of `p`.
        generator: Source of all numbers; None means the default generator of `device`. It may live on another
            device than `device`: the numbers are then drawn there and moved.
    """

    def __init__(
        self,
        batch: int,
        p: Tensor,
        *,
        device: torch.device | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.batch = batch
        self.device = p.device if device is None else device
        self._p = p.to(self.device)
        # Not by a method of its own: it would live on, with what was drawn, until someone collects garbage.
        self._draw_normal = partial(_drawn, torch.randn, self.device, generator)
        draw_uniform = partial(_drawn, torch.rand, self.device, generator)
        self._uniform = _Rows(draw_uniform, batch, UNIFORM_ROWS)
        self._normal = _Rows(self._draw_normal, batch, NORMAL_ROWS)

    def _open(self, probability: Tensor, count: int) -> Tensor:
        # torch.rand is below 1, so that a probability of 1 always opens and one of 0 never does.
        return self._uniform.take(count) < probability[:, None]

    def gates(self, multipliers: Tensor) -> Tensor:
        """See `Draws.gates`."""
        return self._open(self.strengths(multipliers), multipliers.shape[0])

    def gates_of_pair(self, multiplier: Tensor) -> Tensor:
        """Each opens with 1 - sqrt(1 - m p), so that P(either) = m p. See `Draws.gates_of_pair`."""
        return self._open(1 - (1 - self.strengths(multiplier)).clamp(min=0).sqrt(), 2)

    def strengths(self, multipliers: Tensor) -> Tensor:
        """See `Draws.strengths`."""
        return multipliers.to(self.device) * self._p

    def uniform(self, count: int) -> Tensor:
        """See `Draws.uniform`."""
        return self._uniform.take(count)

    def normal(self, count: int) -> Tensor:
        """See `Draws.normal`."""
        return self._normal.take(count)

    def half_normal(self) -> Tensor:
        """See `Draws.half_normal`."""
        return self.normal(1)[0].abs()

    def field(self, shape: torch.Size) -> Tensor:
        """See `Draws.field`."""
        return self._draw_normal(shape)


def _drawn(
    draw: Callable[..., Tensor],
    device: torch.device,
    generator: torch.Generator | None,
    shape: Sequence[int],
) -> Tensor:
    """Random numbers on a device, of a generator that may live on another."""
    source = device if generator is None else generator.device
    # torch.compile accepts a varying batch only where the argument is absent.
    keyword: dict[str, Any] = {} if generator is None else {"generator": generator}
    values = draw(shape, device=source, **keyword, dtype=torch.float32)
    return values if source == device else values.to(device)


class QuantileDraws:
    """The deterministic mode: every gate open, every number at one quantile of its distribution, as at p = 1.

    By the published convention a normal number is erfinv(2q - 1), the q-quantile divided by sqrt(2), and the
    absolute value of one is erfinv(q).

    Args:
        batch: Number of images; all get the same values.
        quantile: q, in (0, 1).
        device: Where the values are wanted.
        generator: Source of `field`, the only random numbers left; None means the default generator.
    """

    def __init__(
        self,
        batch: int,
        quantile: float,
        *,
        device: torch.device,
        generator: torch.Generator | None = None,
    ) -> None:
        if not 0 < quantile < 1:
            raise ValueError(
                f"quantile is {quantile}, but must lie strictly between 0 and 1. Use 0.5 for the middle."
            )
        self.batch = batch
        self.device = device
        self._quantile = quantile
        zero = torch.zeros((), device=device)
        self._random = RandomDraws(batch, zero, generator=generator)

    def _full(self, value: float, *count: int) -> Tensor:
        shape = (*count, self.batch)
        return torch.full(shape, value, device=self.device, dtype=torch.float32)

    def gates(self, multipliers: Tensor) -> Tensor:
        """Open but where the multiplier is 0, as at p = 1. See `Draws.gates`."""
        is_open = multipliers.to(self.device) > 0
        return is_open[:, None].expand(-1, self.batch)

    def gates_of_pair(self, multiplier: Tensor) -> Tensor:
        """The first open, the second closed. See `Draws.gates_of_pair`."""
        is_open = torch.ones(self.batch, dtype=torch.bool, device=self.device)
        return torch.stack((is_open, ~is_open))

    def strengths(self, multipliers: Tensor) -> Tensor:
        """Those of p = 1. See `Draws.strengths`."""
        return multipliers.to(self.device)

    def uniform(self, count: int) -> Tensor:
        """See `Draws.uniform`."""
        return self._full(min(self._quantile, LARGEST_UNIFORM), count)

    def normal(self, count: int) -> Tensor:
        """See `Draws.normal`."""
        # That is erfinv(2q - 1); 2q - 1 itself would round to -1 near 0.
        return self._full(NormalDist().inv_cdf(self._quantile) / math.sqrt(2), count)

    def half_normal(self) -> Tensor:
        """See `Draws.half_normal`."""
        return self._full(inverse_erf(self._quantile))

    def field(self, shape: torch.Size) -> Tensor:
        """See `Draws.field`."""
        return self._random.field(shape)


def discrete(uniform: Tensor, values: int) -> Tensor:
    """Whole numbers in {0, ..., values - 1} as floats [B], from numbers uniform in [0, 1).

    The largest is 1 - 2^-24, and lies so far below 1 that its product never rounds up to `values`.
    """
    return (uniform * values).floor()


def about_zero(uniform: Tensor, largest: float) -> Tensor:
    """Numbers uniform in [-largest, largest), from numbers uniform in [0, 1)."""
    return (uniform - 0.5) * (2 * largest)


def inverse_erf(value: float) -> float:
    """The inverse error function of a number in (-1, 1)."""
    # By the distance from the nearer end: (1 + value) / 2 rounds to 1 close to it.
    return math.copysign(NormalDist().inv_cdf((1 - abs(value)) / 2), value) / math.sqrt(2)
