"""The images that are inspected: trained on, held out, generated."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.data import ImageSet, images_to_float
from adavit.diagnostics.diagnosed_images import choose_folder, draw_indices
from adavit.diagnostics.discriminator.pictures import NAMES
from adavit.errors import UserError
from adavit.evaluation.run_images import images_of_run, of_other_data
from adavit.generation.sampling import LabelStream, random_images
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import read_json
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.devices import choose_device
from adavit.runtime.files import check_makeable
from adavit.runtime.paths import takes_paths
from adavit.runtime.randomness import generator_for, seed_for
from adavit.runtime.wording import listed
from adavit.training.trained_networks import TrainedNetworks, read_trained_networks
from adavit.watch.logits import images_compared

IMAGES = 1000
"""Images of each kind whose logits are taken: the standard error of a mean is 3% of the deviation."""

REMEDIES = {
    "training": "Name others with --data.",
    "heldout": "Train with a larger --val-fraction, or name others with --data.",
}
"""Where there are fewer images of a kind than the discriminator compares with each other."""


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
        """The first `count` of them, or all where there are fewer."""
        return ImagesOfOneKind(
            self.images[:count], None if self.labels is None else self.labels[:count]
        )

    def to(self, device: torch.device) -> "ImagesOfOneKind":
        """The same images and labels on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        return ImagesOfOneKind(self.images.to(device), labels)


@dataclass(frozen=True)
class InspectedImages:
    """Images by kind, and where they come from.

    Attributes:
        kinds: "training", "heldout" and "generated", each at least as many as the discriminator compares; of the
            first two what the data have, at least one.
        protocol: What decides the figures, for the record.
    """

    kinds: dict[str, ImagesOfOneKind]
    protocol: dict[str, Any]

    @property
    def real(self) -> str:
        """The kind of real images that stand beside generated ones."""
        return "training" if "training" in self.kinds else "heldout"


@dataclass(frozen=True)
class OpenedInspection:
    """What an inspection of a discriminator starts with.

    Attributes:
        run: Whose discriminator is inspected.
        images: What it is shown.
        folder: Where the files go; made before the first of them.
        device: Where networks run.
        console: Told how it goes.
    """

    run: TrainedNetworks
    images: InspectedImages
    folder: Path
    device: torch.device
    console: Console


@takes_paths("source", "data", "out", "data_root")
def open_inspection(
    source: str,
    *,
    data: str | None = None,
    images: int | None = None,
    seed: int | None = None,
    out: Path | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> OpenedInspection:
    """Reads a run, its data, and draws from its generator.

    Args:
        source: A run directory, or a checkpoint.pt.
        data: Real images; None takes those that the run was trained on. Others count as held out.
        images: Images of each kind, at most; None is `IMAGES`.
        seed: Start of the random streams; None takes the run's.
        out: Folder to write to; None is `diagnostics` in the run directory.
        data_root: Where downloaded sets are kept.
        device: Where networks run, as `adavit.runtime.devices.choose_device` takes it.
        console: Told how it goes; None says nothing.

    Raises:
        UserError: If something is absent or does not fit, or the folder cannot be made: before anything is drawn.
    """
    console, chosen = console or SilentConsole(), choose_device(device)
    run = read_trained_networks(source)
    folder = choose_folder(str(run.folder), out)
    check_makeable(folder)
    gathered = _gather(run, data, images or IMAGES, seed, data_root, chosen, console)
    return OpenedInspection(run, gathered, folder, chosen, console)


def _gather(
    run: TrainedNetworks,
    data: str | None,
    count: int,
    seed: int | None,
    data_root: Path | None,
    device: torch.device,
    console: Console,
) -> InspectedImages:
    config, generator = run.config, run.generator
    compared = _least_images(run, count)
    seed = config.run.seed if seed is None else seed
    found = images_of_run(
        run.name,
        config,
        generator,
        run.data_fingerprint,
        data=data,
        data_root=data_root,
        activity=console.activity,
    )
    if found.split is None:
        console.note(
            f"{of_other_data(str(data), 'the run', run.data_fingerprint)}: these images are taken for held-out ones,"
            " and there are no training images to show."
        )
    real, train, unseen = found.everything, found.train, found.unseen
    if max(len(train), len(unseen)) < compared:
        raise UserError(
            f"{real.name!r} has {len(real)} images, but the discriminator of {run.name!r} compares {compared} with"
            f" each other (minibatch_std_group). Name at least {compared} images with --data."
        )
    labels = _labels(run, real)
    kinds = {}
    for kind, indices in (("training", train), ("heldout", unseen)):
        if 0 < len(indices) < compared:
            console.note(
                f"{NAMES[kind].capitalize()} are left out: {real.name!r} has {len(indices)}, but the discriminator"
                f" compares {compared} with each other (minibatch_std_group). {REMEDIES[kind]}"
            )
        elif len(indices):
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
    kinds["generated"] = _generated(run, count, counts, seed, device, console)
    return InspectedImages(
        kinds,
        {
            "source": run.name,
            "images_seen": run.images,
            "data": real.name,
            "data_fingerprint": real.fingerprint,
            "resolution": generator.resolution.plain,
            "channels": generator.image_channels,
            "generator": "average",
            "labels": "real images" if generator.num_classes else None,
            "augmentation": None,
            "seed": seed,
            **{f"n_{kind}": len(side.images) for kind, side in kinds.items()},
        },
    )


def _least_images(run: TrainedNetworks, count: int) -> int:
    """How many images of a kind the discriminator and its critic on frozen features can be asked about.

    Raises:
        UserError: If `count`, which is asked for, is less.
    """
    judges = [run.discriminator] if run.critic is None else [run.discriminator, run.critic]
    compared = max(map(images_compared, judges))
    if count < compared:
        raise UserError(
            f"--images is {count}, but the discriminator of {run.name!r} compares {compared} images with each other"
            f" (minibatch_std_group). Give --images {compared} or more."
        )
    return compared


def _labels(run: TrainedNetworks, real: ImageSet) -> Tensor | None:
    classes = run.generator.num_classes
    if not classes:
        return None
    if real.labels is None or len(real.classes) != classes:
        raise UserError(
            f"the data {real.name!r} have {len(real.classes)} classes, but {run.name!r} was"
            f" trained on {classes}. Name images with the same classes with --data."
        )
    told = read_json(RunDirectory(run.folder).data).get("classes")
    trained_on = list(map(str, told)) if isinstance(told, list) else []
    # A checkpoint away from its run does not tell, and a dataset.json has numbers alone.
    are_numbers = any(all(map(str.isdigit, names)) for names in (trained_on, real.classes))
    if len(trained_on) != classes or are_numbers:
        trained_on = list(real.classes)
    if set(trained_on) != set(real.classes):
        raise UserError(
            f"the data {real.name!r} have the classes {listed(real.classes)}, but {run.name!r} was trained on"
            f" {listed(trained_on)}. Name images with the same classes with --data."
        )
    number_of = {name: number for number, name in enumerate(trained_on)}
    numbers = np.array([number_of[name] for name in real.classes])
    return torch.from_numpy(numbers[real.labels])


@torch.no_grad()
def _generated(
    run: TrainedNetworks,
    count: int,
    label_counts: list[int] | None,
    seed: int,
    device: torch.device,
    console: Console,
) -> ImagesOfOneKind:
    generator = run.generator.to(device)
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
