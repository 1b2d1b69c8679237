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
        generator: The network to follow.
        half_life_kimg: Thousands of images after which a weight counts half, a number or a schedule; 0 copies.
        ramp: The half-life is at most this part of the images seen; None: no ramp.
    """

    def __init__(
        self, generator: Generator, *, half_life_kimg: float | Schedule, ramp: float | None
    ) -> None:
        self.module = copy.deepcopy(generator).eval().requires_grad_(False)
        self.half_life_kimg = as_schedule(half_life_kimg)
        self.ramp = ramp

    @torch.no_grad()
    def update(self, generator: Generator, made: Tensor, *, images: int, batch: int) -> None:
        """Moves the average towards `generator`.

        Args:
            generator: Its weights after the step.
            made: Whether the step was made, bool 0-d; else the average stays.
            images: Real images seen, this step included.
            batch: Real images of this step.
        """
        half_life = 1000 * self.half_life_kimg(images)
        if self.ramp is not None:
            half_life = min(half_life, self.ramp * images)
        keep = 0.5 ** (batch / half_life) if half_life > 0 else 0.0
        share = made.float() * (1 - keep)
        for mean, value in zip(self.module.parameters(), generator.parameters(), strict=True):
            mean.lerp_(value, share)
        for copied, current in zip(self.module.buffers(), generator.buffers(), strict=True):
            copied.copy_(torch.where(made, current, copied))
