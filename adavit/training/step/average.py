"""The exponential moving average of the generator's weights: what is sampled, measured and kept."""

import copy

import torch
from torch import Tensor

from adavit.models import Generator
from adavit.training.objectives.schedules import Schedule, as_schedule


class GeneratorAverage:
    """A copy of the generator that follows it with a half-life.

    The decay over one step of b images is 0.5^(b / half-life), so the average does not depend on the
    batch size (Karras et al. 2018, arXiv:1710.10196, section 5, restated in images). With a ramp the
    half-life grows with the images seen until it reaches its value: early weights are forgotten fast.

    Args:
        generator: The network to follow, where it is to be trained: its tensors are changed in place from then on.
        half_life_kimg: Thousands of images after which a weight counts half, a number or a schedule; 0 copies.
        ramp: The half-life is at most this part of the images seen; None: no ramp.
    """

    def __init__(
        self, generator: Generator, *, half_life_kimg: float | Schedule, ramp: float | None
    ) -> None:
        self.module = copy.deepcopy(generator).eval().requires_grad_(False)
        self.half_life_kimg = as_schedule(half_life_kimg)
        self.ramp = ramp
        # Once: to walk through all layers takes the host longer than to launch the passes over what is found there.
        self._means: list[Tensor] = [*self.module.parameters()]
        self._values: list[Tensor] = [*generator.parameters()]
        self._buffers = [*self.module.buffers()], [*generator.buffers()]

    @torch.no_grad()
    def update(self, made: Tensor, *, images: int, batch: int) -> None:
        """Moves the average towards the generator after a step.

        Args:
            made: Whether the step was made, bool 0-d; else the averages of the weights stay. Buffers are copied, so a
                step that was not made has to have left them (`Generator.track_average`).
            images: Real images seen, this step included.
            batch: Real images of this step.
        """
        half_life = 1000 * self.half_life_kimg(images)
        if self.ramp is not None:
            half_life = min(half_life, self.ramp * images)
        keep = 0.5 ** (batch / half_life) if half_life > 0 else 0.0
        share = made.float() * (1 - keep)
        # All weights in three passes over lists of them; on an accelerator torch has lerp_ for one at a time only,
        # where its weight is on the device.
        moves = torch._foreach_sub(self._values, self._means)
        torch._foreach_mul_(moves, share)
        torch._foreach_add_(self._means, moves)
        torch._foreach_copy_(*self._buffers)
