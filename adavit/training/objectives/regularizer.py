"""A regularizer: a weighted part of the loss of one network, and the microbatch that it may look at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from adavit.models import Generator
from adavit.models.names import Side
from adavit.training.objectives.penalties import r1_penalty
from adavit.training.objectives.schedules import Schedule, as_schedule
from adavit.training.passes.augmented_discriminator import AugmentedDiscriminator, View, per_image
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams


@dataclass(frozen=True)
class DiscriminatedImages:
    """Images with their logits and what these were read of.

    Attributes:
        images: Before augmentation [B, C, H, W], in [-1, 1].
        view: The same, augmented.
        logits: D(T(x)) [B], or at places [B, P], float32, with the graph of the step.
        vectors: What each last layer of D read them of, likewise.
    """

    images: Tensor
    view: View
    logits: Tensor
    vectors: tuple[Tensor, ...]

    @property
    def verdicts(self) -> Tensor:
        """D(T(x)) of whole images [B]."""
        return per_image(self.logits)

    def squared_gradient_norms(self) -> Tensor:
        """Squared norm of the gradient of D(T(x)) by x [B], of a pass that was made for it."""
        return r1_penalty(self.verdicts, self.images)


@dataclass(frozen=True)
class Microbatch:
    """Networks, images and logits of a microbatch, for regularizers. Nothing of it may be modified.

    Attributes:
        generator: The network that is trained.
        discriminator: Behind the augmentation.
        labels: Class of each image [B], or None.
        latents: z of the generated images [B, Z].
        real: The images shown as real.
        generated: The generated images; their graph leads back to the generator.
        redraw: From other latents [B, Z] to images, with the noise and the mixing of `generated`.
        streams: Random generators of the step, by purpose.
        is_real: Which of the images shown as real are training images, bool [B]; None where all are.
    """

    generator: Generator
    discriminator: AugmentedDiscriminator
    labels: Tensor | None
    latents: Tensor
    real: DiscriminatedImages
    generated: DiscriminatedImages
    redraw: Callable[[Tensor], Tensor]
    streams: StepStreams
    is_real: Tensor | None = None

    @property
    def shares(self) -> Tensor | None:
        """Weights [B] of the images shown as real in a mean over the training images; None where all are.

        They sum to 1, or to 0 where there are none. To pick these images, the host would have to wait for their count.
        """
        if self.is_real is None:
            return None
        weights = self.is_real.float()
        return weights / weights.sum().clamp_min(1)

    def at(self, side: Side) -> DiscriminatedImages:
        """Real or generated images."""
        return self.real if side == "real" else self.generated


class Regularizer:
    """A weighted part of the loss of one network.

    Attributes:
        trains: Whose loss it is part of.
        differentiates: Images whose gradient it takes in the step's own pass, or None.

    Args:
        name: Of its value in the statistics.
        weight: Factor in the loss, a number or a schedule.
        interval: Steps from one time to the next; the weight is multiplied by it.
    """

    trains: Literal["generator", "discriminator"] = "discriminator"
    differentiates: Side | None = None

    def __init__(self, name: str, weight: float | Schedule, interval: int = 1) -> None:
        self.name = name
        self.weight = as_schedule(weight)
        self.interval = interval

    @property
    def reports(self) -> tuple[str, ...]:
        """Names of the means it returns."""
        return (self.name,)

    def to(self, device: torch.device) -> None:
        """Brings what it keeps, if anything, to the device of the networks; from then on it stays in its place."""

    def is_due(self, step: int) -> bool:
        """Whether it takes part in the step of this number, from 0."""
        return step % self.interval == 0

    def factor(self, images: int) -> float:
        """What its value is multiplied by after so many real images."""
        return self.interval * self.weight(images)

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """Its value 0-d by its name, and other means for the statistics by theirs."""
        raise NotImplementedError

    def observe(self, batch: Microbatch) -> list[Tensor]:
        """What of a microbatch `update` needs beside means, without graphs: the same of each, of any shapes."""
        return []

    def update(self, result: StepResult) -> None:
        """Takes note of a step, on the device; whatever it keeps stays as it is where the step was not made.

        Args:
            result: Of the whole batch, the means of this regularizer included.
        """

    def state_dict(self) -> dict[str, Any]:
        """What changes while training, as tensors and plain values; empty for most regularizers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned."""
