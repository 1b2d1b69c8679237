"""The images that are inspected: trained on, held out, generated."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.data import ImageSet, images_to_float
from adavit.diagnostics.diagnosed_images import draw_indices
from adavit.diagnostics.discriminator.trained_networks import InspectedRun
from adavit.errors import UserError
from adavit.evaluation.run_images import images_of_run
from adavit.generation.sampling import LabelStream, random_images
from adavit.runtime.console import Console
from adavit.runtime.randomness import generator_for, seed_for


@dataclass(frozen=True)
class ImagesOfOneKind:
    """Images of one kind.

    Attributes:
        images: Images [N, C, R, R], float32 in [-1, 1], on the CPU.
        labels: Class numbers [N], int64, or None for networks without classes.
    """

    images: Tensor
    labels: Tensor | None

    def first(self, count: int) -> "ImagesOfOneKind":
        """At most so many of them."""
        return ImagesOfOneKind(
            self.images[:count], None if self.labels is None else self.labels[:count]
        )

    def to(self, device: torch.device) -> "ImagesOfOneKind":
        """The same on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        return ImagesOfOneKind(self.images.to(device), labels)


@dataclass(frozen=True)
class InspectedImages:
    """Images by kind, and where they come from.

    Attributes:
        kinds: "training", "heldout" and "generated"; of the first two what the data have, at least one.
        protocol: What decides the figures, for the record.
    """

    kinds: dict[str, ImagesOfOneKind]
    protocol: dict[str, Any]

    @property
    def real(self) -> str:
        """The kind of real images that stand beside generated ones."""
        return "training" if "training" in self.kinds else "heldout"


def gather_inspected_images(
    subject: InspectedRun,
    *,
    data: str | None,
    count: int,
    seed: int | None,
    data_root: Path | None,
    device: torch.device,
    console: Console,
) -> InspectedImages:
    """Reads the data and draws from the generator.

    Args:
        subject: What is inspected.
        data: Real images; None takes those that the run was trained on. Others count as held out.
        count: Images of each kind, at most.
        seed: Start of the random streams; None takes the run's.
        data_root: Where downloaded sets are kept.
        device: Where the generator runs.
        console: Told how it goes.

    Raises:
        UserError: If something is absent or does not fit.
    """
    config, generator = subject.config, subject.generator
    seed = config.run.seed if seed is None else seed
    found = images_of_run(
        subject.name,
        config,
        generator,
        subject.data_fingerprint,
        data=data,
        data_root=data_root,
        activity=console.activity,
    )
    if found.split is None:
        console.note(
            f"{data!r} is not what the run was trained on: its images are taken for held-out ones,"
            " and there are no training images to show."
        )
    real, train, unseen = found.everything, found.train, found.unseen
    labels = _labels(subject, real)
    kinds = {}
    for kind, indices in (("training", train), ("heldout", unseen)):
        if len(indices):
            # In a drawn order: files are often sorted by class, and pictures show the first ones.
            chosen = draw_indices(indices, count, seed, f"inspected {kind}")
            order = torch.randperm(len(chosen), generator=generator_for(seed, "inspected order", 0))
            chosen = chosen[order.numpy()]
            images = images_to_float(torch.from_numpy(np.array(real.images[chosen])))
            kinds[kind] = ImagesOfOneKind(images, None if labels is None else labels[chosen])
    counts = None
    if labels is not None:
        trained = labels[train] if len(train) else labels
        counts = np.bincount(trained.numpy(), minlength=generator.num_classes).tolist()
    kinds["generated"] = _generated(subject, count, counts, seed, device, console)
    return InspectedImages(
        kinds,
        {
            "source": subject.name,
            "images_seen": subject.images,
            "data": real.name,
            "data_fingerprint": real.fingerprint,
            "resolution": generator.resolution,
            "channels": generator.image_channels,
            "generator": "average",
            "labels": "real images" if generator.num_classes else None,
            "augmentation": None,
            "seed": seed,
            **{f"n_{kind}": len(side.images) for kind, side in kinds.items()},
        },
    )


def _labels(subject: InspectedRun, real: ImageSet) -> Tensor | None:
    classes = subject.generator.num_classes
    if not classes:
        return None
    if real.labels is None or len(real.classes) != classes:
        raise UserError(
            f"the data {real.name!r} have {len(real.classes)} classes, but {subject.name!r} was"
            f" trained on {classes}. Name images with the same classes with --data."
        )
    return torch.from_numpy(np.array(real.labels))


@torch.no_grad()
def _generated(
    subject: InspectedRun,
    count: int,
    label_counts: list[int] | None,
    seed: int,
    device: torch.device,
    console: Console,
) -> ImagesOfOneKind:
    generator = subject.generator.to(device)
    drawn = random_images(
        generator,
        count,
        stream=generator_for(seed, "inspected latents", 0, device),
        labels=LabelStream.of(generator, label_counts, seed_for(seed, "inspected labels", 0)),
    )
    images, labels = [], []
    for batch, classes in drawn:
        images.append(batch.cpu())
        labels += [] if classes is None else [classes]
        console.activity("generating", sum(map(len, images)), count)
    return ImagesOfOneKind(torch.cat(images), torch.cat(labels) if labels else None)
