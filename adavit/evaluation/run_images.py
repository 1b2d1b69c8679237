"""Loads the real images of a run, split into trained on and held out, or others that are named in their place."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np

from adavit.config.run import ResolvedConfig, RunConfig
from adavit.data import Channels, ImageSet, Reading, Split, load_images, split_images
from adavit.data.assemble import Progress
from adavit.data.dataset import LoadArguments
from adavit.data.files.fit import FitName
from adavit.data.known_names import TORCHVISION_SETS, has_known_name
from adavit.data.unusable_source import source_called
from adavit.errors import UserError
from adavit.models import Generator
from adavit.runs.metadata import UNKNOWN
from adavit.runs.shared_names import HERE
from adavit.runtime.resolution import Resolution

Activity = Callable[[str, int, int], None]
"""Told what takes time: a word, how much of it is done, and of how much."""

TRAINED_ON, MEASURED_AGAINST = "was trained on", "is measured against"
"""What images of its settings are to a run."""

CHANNEL_NAMES: dict[int, Channels] = {1: "grey", 3: "rgb", 4: "rgba"}
"""Value of `data.channels` by number of channels."""

_RESIZES: dict[FitName, str] = {
    "crop": "centre part, Lanczos",
    "pad": "padded, Lanczos",
    "stretch": "stretched, Lanczos",
}


def resize_of(resolution: Resolution, fit: FitName = "crop") -> str:
    """How `load_images` brings files to a resolution, for the record."""
    return "centre square, Lanczos" if resolution.is_square and fit == "crop" else _RESIZES[fit]


def reading_of(config: RunConfig | ResolvedConfig) -> Reading:
    """How the files of a run are found and read."""
    data = config.data
    return Reading(data.frames, data.scale_16bit, data.fit, data.follow_links)


def load_reference(
    source: str,
    flag: str,
    *,
    progress: Progress | None = None,
    **arguments: Unpack[LoadArguments],
) -> ImageSet:
    """`load_images`, with errors that name the flag the user gave instead of `data.source`."""
    with source_called(flag):
        return load_images(source, progress=progress, **arguments)


def split_name(images: ImageSet) -> str:
    """Which part of a named set images are, such as "train" or "test"; "all" of any other set."""
    name, _, split = images.source.partition(":")
    if name not in TORCHVISION_SETS:
        return "all"
    return split or next(iter(TORCHVISION_SETS[name].splits))


@dataclass(frozen=True)
class RunImages:
    """Real images that a generator is held against.

    Attributes:
        everything: All images of the data.
        split: Which of them the run was trained on and which it held out; None where the data are not the run's own.
    """

    everything: ImageSet
    split: Split | None

    @property
    def train(self) -> np.ndarray:
        """Indices of the images trained on, ascending; none where the data are not the run's own."""
        return np.arange(0) if self.split is None else self.split.train

    @property
    def unseen(self) -> np.ndarray:
        """Indices of all others, ascending."""
        return np.setdiff1d(np.arange(len(self.everything)), self.train)


def images_like(
    generator: Generator,
    source: str,
    flag: str,
    *,
    data_root: Path | None,
    activity: Activity,
    reading: Reading,
) -> ImageSet:
    """Images of a source in the size and the channels that a generator draws.

    Raises:
        UserError: If they cannot be had; it names `flag`.
    """
    return load_reference(
        source,
        flag,
        resolution=generator.resolution,
        channels=CHANNEL_NAMES[generator.image_channels],
        data_root=data_root,
        progress=partial(activity, "decoding"),
        reading=reading,
    )


def images_of_run(
    name: str,
    config: ResolvedConfig,
    generator: Generator,
    fingerprint: str,
    *,
    data: str | None,
    data_root: Path | None,
    activity: Activity,
) -> RunImages:
    """The data of a run, or what the user names instead.

    Args:
        name: Of the run, for messages.
        config: Of the run.
        generator: Whose images are compared with these.
        fingerprint: Of the images the run was trained from; `UNKNOWN` if it was imported.
        data: As the user gave `--data`; None takes the run's own.
        data_root: Where downloaded sets are kept; None takes the run's.
        activity: Told what takes time.

    Raises:
        UserError: If they cannot be had, or `data` is None and the run's own have changed since, or nobody knows.
    """
    source = data or known_source(config.data.source, name, TRAINED_ON)
    root = data_root or config.data.data_root
    found = images_like(
        generator, source, "--data", data_root=root, activity=activity, reading=reading_of(config)
    )
    if found.fingerprint == fingerprint:
        return RunImages(found, split_of(config, found))
    if data is None and fingerprint == UNKNOWN:
        raise UserError(
            f"{name!r} was imported, so nobody knows whether it was trained on the images of"
            f" {config.data.source!r}, expected real images. Name them with --data."
        )
    if data is None:
        raise UserError(
            f"the images of {config.data.source!r} are not those that {name!r} was"
            " trained on: their fingerprint differs. Restore them, or name other real images with"
            " --data."
        )
    return RunImages(found, None)


def of_other_data(data: str, subject: str, fingerprint: str) -> str:
    """The beginning of a sentence about images that a user has named in place of a run's own.

    Args:
        data: As the user gave `--data`.
        subject: What they are given to, such as "the run".
        fingerprint: Of the images it was trained from; `UNKNOWN` if it was imported.
    """
    if fingerprint == UNKNOWN:
        start = f"{subject} was imported, so nobody knows whether it was trained on {data!r}"
        return start[0].upper() + start[1:]
    return f"{data!r} is not what {subject} was trained on"


def known_source(source: str, name: str, role: str) -> str:
    """Images of a run as its settings name them, if they can be found by that.

    Args:
        source: Of the settings; a file away from its run has but the name of a folder or zip.
        name: Of the run or file, for messages.
        role: What they are to it, such as `TRAINED_ON`, likewise.

    Raises:
        UserError: If there is nothing of that name here.
    """
    if source.startswith(HERE) and not Path(source).exists():
        raise UserError(
            f"{name!r} lies outside of its run and knows the images that it {role} by the name"
            f" {source.removeprefix(HERE)!r} alone, which is not in this folder. Expected the"
            " images; name them with --data."
        )
    if not has_known_name(source) and not Path(source).exists():
        raise UserError(
            f"the images that {name!r} {role} are no longer at {source!r}. Give their"
            " new place with --data, or other images to compare with."
        )
    return source


def split_of(config: ResolvedConfig, images: ImageSet) -> Split:
    """The training and held-out images of a run, found again from its settings."""
    return split_images(
        len(images.images),
        subset=config.data.subset,
        heldout_fraction=config.data.val_fraction,
        seed=config.run.seed,
    )
