"""What `leaks` and `memorisation` compare: generated images, the images trained on, and real ones never trained on."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.config.run import ResolvedConfig
from adavit.data import ImageSet
from adavit.errors import UserError
from adavit.evaluation.run_images import CHANNEL_NAMES, images_of_run, load_reference, of_other_data
from adavit.evaluation.sources import GeneratorSource, open_source
from adavit.generation.sampling import generated_batches
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import StoredGenerator
from adavit.runs.reading import number
from adavit.runs.records import read_records
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.devices import choose_device
from adavit.runtime.files import check_makeable
from adavit.runtime.paths import takes_paths
from adavit.runtime.randomness import generator_for, seed_for


@dataclass(frozen=True)
class DiagnosedImages:
    """Images of a diagnosis, and where they come from.

    Attributes:
        fakes: Generated images, uint8 [N, C, R, R], on the CPU.
        fake_names: File name of each, or None where a generator drew them.
        real: All images of the data.
        train: Indices of the images trained on, ascending.
        unseen: Indices of the other images of the data, ascending; may be empty.
        mirror: Whether training doubled the images by flips.
        config: Settings of the run; None where the source is images.
        highest_p: The largest p that the generator was trained with; None where no log of a run tells it.
        protocol: What decides the figures, for the record.
        stored: The generator; None where the source is images.
    """

    fakes: Tensor
    fake_names: list[str] | None
    real: ImageSet
    train: np.ndarray
    unseen: np.ndarray
    mirror: bool
    config: ResolvedConfig | None
    highest_p: float | None
    protocol: dict[str, Any]
    stored: StoredGenerator | None = None


@dataclass(frozen=True)
class OpenedDiagnosis:
    """What a diagnosis of generated images starts with.

    Attributes:
        images: What it looks at.
        folder: Where its files go; made before the first of them.
        device: Where networks run.
        console: Told how it goes.
    """

    images: DiagnosedImages
    folder: Path
    device: torch.device
    console: Console


@takes_paths("source", "data", "out", "data_root")
def open_diagnosis(
    source: str,
    *,
    data: str | None = None,
    fakes: int | None = None,
    which: str | None = None,
    seed: int | None = None,
    out: Path | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> OpenedDiagnosis:
    """Chooses device and folder of a diagnosis, and reads the images that it looks at.

    Args:
        source: A run directory, a generator file, a folder or zip of generated images, or the name of a set.
        data: Real images; None takes those that the run was trained on. Without a run all of them are
            taken for training images.
        fakes: Generated images; None takes as many as the run's metrics, or all of a folder's.
        which: "best" or "last" generator of a run; None is the best.
        seed: Start of the random streams; None takes the run's, or 0 for images. With it a generator
            gives the images that `adavit evaluate` scores.
        out: Folder to write to; None is `diagnostics` in the run directory.
        data_root: Where downloaded sets are kept.
        device: Where networks run, as `adavit.runtime.devices.choose_device` takes it.
        console: Told how it goes; None says nothing.

    Raises:
        UserError: If something is absent or does not fit, or the folder cannot be made: before anything is drawn.
    """
    console, chosen = console or SilentConsole(), choose_device(device)
    origin = open_source(source, "SOURCE", which=which)
    folder = choose_folder(source, out)
    if isinstance(origin, GeneratorSource):
        check_makeable(folder)
        images = _of_generator(origin, data, fakes, seed, data_root, chosen, console)
        return OpenedDiagnosis(images, folder, chosen, console)
    if which is not None:
        raise UserError(
            f"--which is {which}, but {source!r} is read as images, which have no best and last."
            " Leave --which out, or name a run."
        )
    if data is None:
        raise UserError(
            f"{source!r} is read as images, for which --data has no default; expected the real"
            " images they were made after. Give --data."
        )
    check_makeable(folder)
    images = _of_images(source, data, fakes, seed or 0, data_root, console)
    return OpenedDiagnosis(images, folder, chosen, console)


def choose_folder(source: str, out: Path | None) -> Path:
    """The folder that a diagnosis writes to.

    Args:
        source: A run directory, or anything else.
        out: What the user asked for; None is the folder `diagnostics` of a run directory.

    Raises:
        UserError: If there is no default.
    """
    if out is not None:
        return out
    run = RunDirectory(Path(source))
    if not run.is_run():
        raise UserError(
            f"{source!r} is not a run directory, where the results would go; expected a folder for"
            " them. Give --out, or check the path."
        )
    return run.diagnostics.path


def _of_generator(
    origin: GeneratorSource,
    data: str | None,
    fakes: int | None,
    seed: int | None,
    data_root: Path | None,
    device: torch.device,
    console: Console,
) -> DiagnosedImages:
    config, stored = origin.config, origin.stored
    generator = stored.generator
    found = images_of_run(
        str(stored.path),
        config,
        generator,
        stored.data_fingerprint,
        data=data,
        data_root=data_root,
        activity=console.activity,
    )
    real, train, unseen = found.everything, found.train, found.unseen
    if found.split is None:
        console.note(
            f"{of_other_data(str(data), 'the generator', stored.data_fingerprint)}: all of these images are taken for"
            " training images, none for held-out ones."
        )
        train, unseen = unseen, train
    count = fakes or config.metrics.fakes
    seed = config.run.seed if seed is None else seed
    stream = seed_for(seed, "evaluation", 0)
    drawn, done = torch.empty(count, *real.images.shape[1:], dtype=torch.uint8), 0
    for batch in generated_batches(
        generator.to(device), count, seed=stream, label_counts=stored.label_counts
    ):
        drawn[done : done + len(batch)] = batch
        done += len(batch)
        console.activity("generating", done, count)
    return DiagnosedImages(
        fakes=drawn,
        fake_names=None,
        real=real,
        train=train,
        unseen=unseen,
        mirror=config.data.mirror,
        config=config,
        highest_p=_highest_p(RunDirectory(stored.path.parent), stored.images),
        protocol={
            **_protocol(origin.name, real, count, len(train), seed),
            "generator": stored.path.name,
            # Of a run that goes on, the name of the file is soon that of other weights.
            "generator_digest": tensors_digest(generator.state_dict()),
            "images_seen": stored.images,
            "truncation": 1.0,
            "labels": "training images" if generator.num_classes else None,
        },
        stored=stored,
    )


def _of_images(
    source: str, data: str, fakes: int | None, seed: int, data_root: Path | None, console: Console
) -> DiagnosedImages:
    progress = partial(console.activity, "decoding")
    real = load_reference(data, "--data", data_root=data_root, progress=progress)
    drawn = load_reference(
        source,
        "SOURCE",
        resolution=real.resolution,
        channels=CHANNEL_NAMES[real.channels],
        data_root=data_root,
        progress=progress,
    )
    if fakes is not None and fakes > len(drawn):
        raise UserError(
            f"--fakes is {fakes}, but {source!r} has {len(drawn)} images. Lower --fakes or leave it"
            " out."
        )
    # Drawn rather than the first ones: files are often sorted by class.
    chosen = draw_indices(np.arange(len(drawn)), fakes or len(drawn), seed, "fakes")
    names = image_names(drawn)
    return DiagnosedImages(
        fakes=torch.from_numpy(np.asarray(drawn.images)[chosen]),
        fake_names=None if names is None else [names[index] for index in chosen],
        real=real,
        train=np.arange(len(real)),
        unseen=np.arange(0),
        mirror=False,
        config=None,
        highest_p=None,
        protocol={
            **_protocol(source, real, len(chosen), len(real), seed),
            "generator": None,
            "generator_digest": None,
            "images_seen": None,
            "truncation": None,
            "labels": None,
        },
    )


def _highest_p(run: RunDirectory, images: int) -> float | None:
    """The largest p in the log of a generator's run, up to the first line after the generator."""
    records = read_records(run.stats)
    until = next((record["images"] for record in records if record["images"] >= images), images)
    logged = (number(record.get("p")) for record in records if record["images"] <= until)
    return max((p for p in logged if p is not None), default=None)


def draw_indices(indices: np.ndarray, count: int, seed: int, purpose: str) -> np.ndarray:
    """At most `count` of some indices, drawn with a seed; ascending."""
    if count >= len(indices):
        return indices
    order = torch.randperm(len(indices), generator=generator_for(seed, purpose, 0)).numpy()
    return np.sort(indices[order[:count]])


def _protocol(source: str, real: ImageSet, fakes: int, train: int, seed: int) -> dict[str, Any]:
    return {
        "source": source,
        "data": real.name,
        "data_fingerprint": real.fingerprint,
        "n_fake": fakes,
        "n_train": train,
        "resolution": real.resolution.plain,
        "channels": real.channels,
        "seed": seed,
    }


def image_names(images: ImageSet) -> list[str] | None:
    """Names of a set's images, in its order.

    Args:
        images: As loaded.

    Returns:
        Paths inside the folder or zip, unprintable characters escaped; None for a set that has no
        files.
    """
    return list(images.names) or None
