"""Values that move while training: functions of the real images seen, so a resumed run needs no state for them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Number = float | Tensor
"""A value at one moment: as the host knows it, or 0-d on the device, where the calculation is one that stays."""

Schedule = Callable[[int], float]
"""From real images seen to a value."""


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from `start` to `end`, then `end`; R3GAN's schedules (arXiv:2501.05441, appendix).

    Attributes:
        start: Value at image 0.
        end: Value from `horizon_images` on.
        horizon_images: Real images from one to the other, > 0.
    """

    start: float
    end: float
    horizon_images: float

    def __call__(self, images: int) -> float:
        """The value after so many real images."""
        done = min(1.0, images / self.horizon_images)
        return self.start + (1 - (1 + math.cos(math.pi * done)) / 2) * (self.end - self.start)


def as_schedule(value: float | Schedule) -> Schedule:
    """A number as the schedule that stays there; a schedule as it is."""
    return value if callable(value) else lambda images: value
