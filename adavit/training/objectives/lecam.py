"""LeCam regularisation (Tseng et al. 2021, arXiv:2104.03310, section 3)."""

from typing import Any

import torch
from torch import Tensor

from adavit.runs.checkpoint import entry
from adavit.training.objectives.regularizer import Microbatch, Regularizer
from adavit.training.objectives.schedules import Schedule
from adavit.training.passes.step_result import StepResult


class LeCam(Regularizer):
    """E[(D(x) - a_F)^2] + E[(D(G(z)) - a_R)^2], with moving averages a of the logits of the other side.

    a_R and a_F are those of training and generated images up to the step before, without bias
    towards a start at 0; in the very first step, where there are none, the regularizer is 0. This is the
    paper's form; its code adds a rectifier, which differs only where real images score below a_F or
    generated ones above a_R.

    Args:
        weight: lambda.
        decay: Part of an average that stays at each step.
    """

    def __init__(self, weight: float | Schedule, decay: float) -> None:
        super().__init__("lecam", weight)
        self.decay = decay
        self.steps = torch.zeros((), dtype=torch.int64)
        self.anchors = torch.zeros(2)  # a_R, a_F

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        real, generated = batch.real.logits, batch.generated.logits
        anchor_real, anchor_generated = self.anchors
        away = (real - anchor_generated).square() + (generated - anchor_real).square()
        return {self.name: away.mean().masked_fill(self.steps == 0, 0)}

    def update(self, result: StepResult) -> None:
        """See `Regularizer`; a batch without training images (APA may leave none) says nothing."""
        train, generated, counts = (
            result.train_logits,
            result.generated_logits,
            result.says_something,
        )
        means = torch.stack((result.training_mean(train), generated.mean()))
        steps = self.steps + counts
        # The first values weigh what those before them would have; in float64, since 1 - decay^steps cancels.
        share = (1 - self.decay) / (1 - self.decay ** steps.double())
        moved = torch.lerp(self.anchors, means, share.float())
        self.steps.copy_(steps)
        self.anchors.copy_(torch.where(counts, moved, self.anchors))

    def to(self, device: torch.device) -> None:
        """See `Regularizer`."""
        self.steps, self.anchors = self.steps.to(device), self.anchors.to(device)

    def state_dict(self) -> dict[str, Any]:
        """See `Regularizer`."""
        return {"steps": int(self.steps), "anchors": self.anchors.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Regularizer`."""
        self.steps.fill_(entry(state, "steps", int))
        self.anchors.copy_(entry(state, "anchors", Tensor))
