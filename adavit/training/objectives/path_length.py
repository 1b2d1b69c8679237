"""The path-length penalty of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958, section 3.2)."""

import math
from typing import Any

import torch
from torch import Tensor

from adavit.models.convolution import fast_second_derivatives
from adavit.runs.checkpoint import entry
from adavit.runtime.precision import without_autocast
from adavit.training.objectives.penalties import path_lengths
from adavit.training.objectives.regularizer import Microbatch, Regularizer
from adavit.training.objectives.schedules import Schedule
from adavit.training.passes.step_result import StepResult


class PathLengthPenalty(Regularizer):
    """E[(|J_w^T y| - a)^2], equation 4, with a the moving average of the lengths up to the step before.

    It draws images of its own, half as many as the batch has (appendix B of the paper: memory), in
    float32: the second derivative is taken through the whole generator. In the first step, where
    there is no average yet, a is the mean of that very step, as a start at 0 would pull all lengths
    to 0.

    Args:
        weight: Factor in the loss, 2 in the paper.
        interval: Steps between two times, 4 in the paper.
        decay: Part by which a moves at each time, 0.01 in the paper.
    """

    trains = "generator"

    def __init__(self, weight: float | Schedule, interval: int, decay: float) -> None:
        super().__init__("path_length_penalty", weight, interval)
        self.decay = decay
        self.mean = torch.tensor(math.nan)  # none yet

    @property
    def reports(self) -> tuple[str, ...]:
        """The penalty and the mean length."""
        return (self.name, "path_length")

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        count = (len(batch.latents) + 1) // 2
        stream = batch.streams.of("path length")
        latents = torch.randn(count, batch.latents.shape[1], generator=stream, device=stream.device)
        labels = None if batch.labels is None else batch.labels[:count]
        with without_autocast(latents.device), fast_second_derivatives():
            synthesis = batch.generator.synthesis
            styles = batch.generator.mapping(latents, labels)
            styles = styles[:, None].repeat(1, synthesis.style_count, 1)
            images = synthesis(styles, noise=stream)
            noise = torch.randn(images.shape, generator=stream, device=stream.device)
            lengths = path_lengths(images, styles, noise)
        mean = lengths.mean().detach()
        target = self._mean_or(mean)
        return {self.name: (lengths - target).square().mean(), "path_length": mean}

    def update(self, result: StepResult) -> None:
        """See `Regularizer`."""
        seen = result.losses.get("path_length")
        if seen is not None:
            moved = torch.lerp(self._mean_or(seen), seen, self.decay)
            self.mean.copy_(torch.where(result.finite, moved, self.mean))

    def _mean_or(self, seen: Tensor) -> Tensor:
        """The mean, or in the first step, where there is none, what was seen."""
        return torch.where(self.mean.isnan(), seen, self.mean)

    def to(self, device: torch.device) -> None:
        """See `Regularizer`."""
        self.mean = self.mean.to(device)

    def state_dict(self) -> dict[str, Any]:
        """See `Regularizer`; a number, as a tensor of a checkpoint that is none passes for damage."""
        return {"mean": float(self.mean)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Regularizer`."""
        self.mean.fill_(entry(state, "mean", float))
