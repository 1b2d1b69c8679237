"""What the heads of a critic on frozen features say of images: one verdict a head, and one a place."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adavit.diagnostics.discriminator.inspected_images import ImagesOfOneKind, InspectedImages
from adavit.diagnostics.discriminator.pictures import NAMES
from adavit.errors import UserError
from adavit.features.background import on_random_background
from adavit.features.critic import FeatureCritic
from adavit.runtime.randomness import generator_for
from adavit.watch.alarms import Alarm, overfitting_alarm, overfitting_not_judged
from adavit.watch.logits import LogitFigures, images_compared, windows

REMEDY = "or look at fewer maps (features.maps) with narrower heads (features.width)"


@dataclass(frozen=True)
class HeadFigures:
    """Verdicts of the heads of a critic.

    Attributes:
        places: Logits [N, rows, columns] by kind of image and by the part of the frozen network that a head looks
            at, from the finest map on.
        threshold_at_zero: Whether their sign is a verdict.
    """

    places: dict[str, dict[str, Tensor]]
    threshold_at_zero: bool = True

    @property
    def by_head(self) -> dict[str, LogitFigures]:
        """Logits of images, the mean of those of their places, by head."""
        kinds = self.places.items()
        return {
            head: LogitFigures(
                {kind: maps[head].mean(dim=(1, 2)) for kind, maps in kinds}, self.threshold_at_zero
            )
            for head in self.places["generated"]
        }

    def maps(self, kind: str, count: int) -> dict[str, Tensor]:
        """The places of the first `count` images of a kind, by head, coloured by sign: none without a threshold."""
        shown = self.places[kind] if self.threshold_at_zero else {}
        return {head: logits[:count] for head, logits in shown.items()}

    def as_record(self) -> dict[str, Any]:
        """`adavit.watch.logits.LogitFigures.as_record` of each head, and how many places it judges."""
        return {
            head: {"places": list(self.places["generated"][head].shape[1:]), **figures.as_record()}
            for head, figures in self.by_head.items()
        }

    def alarms(self) -> list[Alarm]:
        """Of the heads that know their training images by heart."""
        return [
            Alarm(f"{alarm.name} of {head}", alarm.message)
            for head, figures in self.by_head.items()
            for alarm in overfitting_alarm(figures, f"the head on {head}", REMEDY)
        ]

    def not_judged(self) -> list[str]:
        """Of which heads the images are too few to tell that."""
        return [
            line
            for head, figures in self.by_head.items()
            for line in overfitting_not_judged(figures, f"the head on {head}")
        ]


@torch.no_grad()
def judge(
    critic: FeatureCritic,
    images: InspectedImages,
    device: torch.device,
    *,
    threshold_at_zero: bool = True,
) -> HeadFigures:
    """Asks every head about all images, as they are: without augmentation.

    Images with alpha lie on grounds of colours drawn for each, as in training.

    Args:
        critic: In evaluation mode, in float32, on the device.
        images: By kind, of each at least as many as the heads compare.
        device: Where it is.
        threshold_at_zero: Whether the loss of its heads has one.

    Raises:
        UserError: If logits are not finite.
    """
    seed = images.protocol["seed"]
    heads = [tap.module for tap in critic.frozen[0].taps]
    places: dict[str, dict[str, Tensor]] = {}
    for kind, side in images.kinds.items():
        stream = generator_for(seed, f"ground of inspected {kind}", 0, device)
        batches = list(_places(critic, side.to(device), stream))
        places[kind] = {
            head: torch.cat(found)
            for head, found in zip(heads, zip(*batches, strict=True), strict=True)
        }
        for head, logits in places[kind].items():
            if not logits.isfinite().all():
                raise UserError(
                    f"the head on {head} gives logits of {NAMES[kind]} that are not finite, expected"
                    " numbers: its training diverged. Inspect the checkpoint before it"
                    " (checkpoint-1.pt), or start a new run with a smaller training.discriminator_lr."
                )
    return HeadFigures(places, threshold_at_zero)


def _places(
    critic: FeatureCritic, side: ImagesOfOneKind, stream: torch.Generator
) -> Iterator[list[Tensor]]:
    """Logits [B, rows, columns] of each head: the maps are square, and so is what is judged of them."""
    images = on_random_background(side.images, stream)
    for window in windows(len(images), images_compared(critic)):
        labels = None if side.labels is None else side.labels[window.images]
        verdicts = [logits[window.new].cpu() for logits in critic(images[window.images], labels)]
        sides = [math.isqrt(logits.shape[1]) for logits in verdicts]
        yield [
            logits.unflatten(1, (rows, rows)) for logits, rows in zip(verdicts, sides, strict=True)
        ]
