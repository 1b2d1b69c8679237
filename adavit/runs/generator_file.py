"""A trained generator as one safetensors file: weights, arguments of its class, configuration and metric."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.errors import UserError, first_line, shown
from adavit.models import Generator
from adavit.runs.directory import RunDirectory, check_run_exists
from adavit.runs.hub import fetch_generator, is_hub
from adavit.runs.imported_folder import ImportedFolder
from adavit.runs.metadata import MOST_COUNTED, Metadata
from adavit.runs.reading import mapping, networks_seen, number
from adavit.runs.shared_names import local_config, shared_config, without_folders
from adavit.runs.stored_network import build_stored
from adavit.runs.weights_file import UNUSABLE, read_weights, write_weights
from adavit.runtime.choices import check_choice
from adavit.runtime.paths import takes_paths

IMAGE_CHANNELS = (1, 3, 4)
"""Of the images that a generator of ours draws: grey, rgb, rgba."""

TUNED_TO = "tuned_to"
"""Entry of a generator that was tuned: the digest of the styles that it was to draw an image at."""

MOST_STRETCHED = 100.0
"""Images of which one side is so many times too long are resized by no more."""


@dataclass(frozen=True)
class StoredGenerator:
    """A generator with what its file says about it.

    Attributes:
        generator: In evaluation mode, without gradients.
        config: The configuration of its run, by section; paths are names, unless the file lies in its run.
        data_fingerprint: Digest of the images it was trained on; `adavit.runs.metadata.UNKNOWN` if it was imported.
        images: Real images seen.
        metric: Name and value by which it was kept, and its record; empty if none was measured.
        classes: Names of the classes; empty if it is not conditional.
        label_counts: Training images of each class; None if it is not conditional.
        path: The file.
        arguments: Keyword arguments of `Generator` that built it.
        origin: Name and digest of the file that it was imported from, of which `config` has no more than its sizes;
            empty if adavit has trained it.
        stretch: How many times as wide its images, over their height, were before training; 1 where they were not
            stretched.
        tuned_from: `adavit.styles.belonging.styles_digest` of the generator whose copy was tuned to this one; empty
            where none was.
        entries: The file's metadata, as it was when it was read: a run that goes on replaces its files.
    """

    generator: Generator
    config: dict[str, Any]
    data_fingerprint: str
    images: int
    metric: dict[str, Any]
    classes: tuple[str, ...]
    label_counts: list[int] | None
    path: Path
    arguments: dict[str, Any]
    origin: str
    stretch: float
    tuned_from: str
    entries: Mapping[str, str]


def save_generator(
    path: Path,
    generator: Generator,
    *,
    arguments: Mapping[str, Any],
    config: Mapping[str, Any],
    data_fingerprint: str,
    images: int,
    metric: Mapping[str, Any] | None,
    classes: tuple[str, ...],
    label_counts: list[int] | None,
    origin: str = "",
    stretch: float | None = None,
) -> None:
    """Writes a generator file, atomically.

    Args:
        path: Ends in .safetensors.
        generator: Usually the average.
        arguments: Keyword arguments of `Generator` that built it.
        config: The resolved configuration, by section; of paths the names alone are written.
        data_fingerprint: As in `StoredGenerator`.
        images: Real images seen.
        metric: The evaluation record that belongs to these weights, or None.
        classes: Names of the classes it is conditioned on.
        label_counts: Training images of each of them, or None.
        origin: As in `StoredGenerator`.
        stretch: Likewise; None where they were not stretched.
    """
    metadata = {
        "generator": json.dumps(dict(arguments)),
        "config": json.dumps(shared_config(config)),
        "data_fingerprint": data_fingerprint,
        "images": str(images),
        "metric": json.dumps(without_folders(dict(metric or {}))),
        "classes": json.dumps(list(classes)),
        "label_counts": json.dumps(label_counts),
        **({"origin": origin} if origin else {}),
        **({"stretch": json.dumps(stretch)} if stretch is not None else {}),
    }
    write_weights(path, generator, metadata)


def save_tuned(
    path: Path, generator: Generator, *, stored: StoredGenerator, tuned_from: str, tuned_to: str
) -> None:
    """Writes a generator that was trained further by itself, with what is said of the one it was made of.

    Args:
        path: Ends in .safetensors.
        generator: Of the same arguments. Its `discriminator_saw` is written as `features.seen`.
        stored: What it was made of. What was measured of that one does not count.
        tuned_from: As in `StoredGenerator`, of `stored`.
        tuned_to: Digest of the styles that it draws the image of.
    """
    config = Metadata(stored.entries).object("config")
    features = {**mapping(config.get("features")), "seen": generator.discriminator_saw}
    said = {
        **stored.entries,
        "config": json.dumps({**config, "features": features}),
        "metric": json.dumps({}),
        "tuned_from": tuned_from,
        TUNED_TO: tuned_to,
    }
    write_weights(path, generator, said)


@takes_paths("path")
def read_generator(path: Path | str, *, which: str | None = None) -> StoredGenerator:
    """Reads a generator from a run directory, what `adavit import` has written, a file, or a hub of models.

    Args:
        path: A run directory, an imported one, a .safetensors file, or `hub:USER/NAME`.
        which: "best" or "last", for a run directory; None is the best there is (a run that measured
            nothing has only the last).

    Raises:
        UserError: If there is none, an import was killed there, the hub cannot be reached, or the file is damaged or
            not one of ours.
    """
    file = _find(path, which)
    try:
        tensors, entries = read_weights(file)
        metadata = Metadata(entries)
        arguments = metadata.object("generator")
        config, metric = metadata.object("config"), metadata.object("metric")
        images, fingerprint = metadata.count("images"), metadata.fingerprint("data_fingerprint")
        generator = build_stored(lambda: Generator(**arguments), tensors)
        if generator.image_channels not in IMAGE_CHANNELS:
            raise ValueError(f"it draws images of {generator.image_channels} channels")
        classes, label_counts = _classes(metadata, generator.num_classes)
        stretch = _stretch(metadata) if "stretch" in entries else 1.0
    except UNUSABLE as error:
        raise UserError(
            f"generator file {str(file)!r} cannot be used ({first_line(error)}). Expected a"
            " .safetensors file that adavit train or adavit import has written; check the path or copy the file"
            f" again.{_how_to_mend(file)}"
        ) from None
    generator.classes = classes
    generator.discriminator_saw = networks_seen(config)
    return StoredGenerator(
        generator=generator.eval().requires_grad_(False),
        config=local_config(config, file),
        data_fingerprint=fingerprint,
        images=images,
        metric=metric,
        classes=classes,
        label_counts=label_counts,
        path=file,
        arguments=arguments,
        origin=entries.get("origin", ""),
        stretch=stretch,
        tuned_from=entries.get("tuned_from", ""),
        entries=entries,
    )


def load_generator(path: Path | str, *, which: str | None = None) -> Generator:
    """The generator of a run, a file or a repository of a hub, ready to be called.

    Examples:
        >>> generator = adavit.load_generator("runs/00000-small_set-resnet-bgc")
        >>> images = generator(torch.randn(4, generator.latent_dim))  # [4, C, H, W], about [-1, 1]

    A conditional one also takes a class by number or name, or a list of one for each image: `generator(latents,
    "daisy")`; `generator.classes` are their names.

    Args:
        path: A run directory, a .safetensors file, or `hub:USER/NAME`, of which only a safetensors file is loaded.
        which: "best" or "last", for a run directory; None is the best there is.

    Raises:
        UserError: As `read_generator`.
    """
    return read_generator(path, which=which).generator


def _classes(metadata: Metadata, count: int) -> tuple[tuple[str, ...], list[int] | None]:
    """Names of the classes, and training images of each.

    Raises:
        ValueError: If they are not those of a generator with `count` classes.
    """
    names, counts = metadata.value("classes"), metadata.value("label_counts")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"its classes are {shown(names)}, which are not names")
    if len(names) != count:
        raise ValueError(f"it names {len(names)} classes, but its generator has {count}")
    if not count:
        return (), None
    known = isinstance(counts, list) and len(counts) == count
    if not known or not all(type(each) is int and 0 <= each < MOST_COUNTED for each in counts):
        raise ValueError(
            f"its label_counts are {shown(counts)}, which do not count {count} classes"
        )
    if not any(counts):
        raise ValueError("its label_counts are all 0")
    return tuple(names), counts


def _stretch(metadata: Metadata) -> float:
    """How many times as wide its images were.

    Raises:
        ValueError: If it is nothing that images can be resized by.
    """
    value = metadata.value("stretch")
    found = number(value)
    if found is None or not 1 / MOST_STRETCHED <= found <= MOST_STRETCHED:
        raise ValueError(f"its stretch is {shown(value)}, which images cannot be resized by")
    return found


def _how_to_mend(file: Path) -> str:
    run = RunDirectory(file.parent)
    if file not in (run.best_generator, run.last_generator) or not run.checkpoints():
        return ""
    return f" {run.resume_command} writes it again from the checkpoint."


def _of_import(folder: ImportedFolder, which: str | None) -> Path:
    folder.check_whole()
    if which is not None:
        raise UserError(
            f"--which is {which}, but {str(folder.path)!r} was imported and has one generator. Leave --which out."
        )
    if not folder.generator.is_file():
        raise UserError(
            f"{str(folder.path)!r} holds an imported discriminator alone, expected {folder.generator.name} too. Import"
            " a file whose generator has a counterpart; adavit train --transfer takes the discriminator."
        )
    return folder.generator


def _find(source: Path | str, which: str | None) -> Path:
    if which is not None:
        check_choice("--which", which, ("best", "last"))
    path = fetch_generator(str(source)) if is_hub(str(source)) else Path(source)
    if not path.is_dir():
        if which is not None:
            raise UserError(
                f"--which is {which}, but {str(path)!r} is not a run directory, which alone has a"
                " best and a last generator. Leave --which out, or name the run."
            )
        check_run_exists(path)
        return path
    imported = ImportedFolder(path)
    if imported.is_import():
        return _of_import(imported, which)
    run = RunDirectory.open(path)
    best_first = [run.best_generator, run.last_generator]
    candidates = [run.last_generator] if which == "last" else best_first
    for file in candidates:
        if file.exists():
            return file
    raise UserError(
        f"run {str(path)!r} has no generator yet, expected {candidates[0].name}. Continue it with"
        f" {run.resume_command}."
    )
