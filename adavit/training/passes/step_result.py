"""What a step of training measured, as tensors on the device that nothing has waited for."""

from dataclasses import dataclass, field
from typing import TypedDict

import torch
from torch import Tensor


class Verdicts(TypedDict):
    """What `adavit.augment.OverfittingStatistics` is told of a step, by the names of its arguments."""

    train: Tensor
    generated: Tensor
    counted: Tensor | None
    made: Tensor


@dataclass(frozen=True)
class StepResult:
    """The measurements of one step.

    Whether the step was made is known on the device only: who takes note of it there multiplies or selects by
    `finite`, and the host reads it later (`adavit.runtime.flags`).

    Attributes:
        finite: Whether losses and gradients were, bool 0-d; False where the step was skipped whole.
        train_logits: D at the augmented images shown as real [B].
        generated_logits: D at augmented generated images [B].
        losses: Means by name, 0-d: loss_generator, loss_discriminator, and those of the regularizers that
            were due, such as r1.
        is_training: Which of `train_logits` are of training images, bool [B], where pseudo images may have
            taken their place; None: all.
        observed: What regularizers that were due have observed, by their names: [S, ...], one row of each of S
            microbatches.
    """

    finite: Tensor
    train_logits: Tensor
    generated_logits: Tensor
    losses: dict[str, Tensor]
    is_training: Tensor | None = None
    observed: dict[str, list[Tensor]] = field(default_factory=dict)

    @property
    def verdicts(self) -> Verdicts:
        """Its logits, for the measure of overfitting."""
        return {
            "train": self.train_logits,
            "generated": self.generated_logits,
            "counted": self.is_training,
            "made": self.finite,
        }

    @property
    def says_something(self) -> Tensor:
        """Whether the step was made and saw a training image (APA may leave none), bool 0-d."""
        return self.finite if self.is_training is None else self.finite & self.is_training.any()

    def training_mean(self, values: Tensor) -> Tensor:
        """Mean 0-d over the training images of `values` [B] of the images shown as real; nan without any."""
        if self.is_training is None:
            return values.mean()
        # Not selected by the mask: how many these are would have to be known on the host.
        return torch.where(self.is_training, values, 0).sum() / self.is_training.sum()
