"""Sets that have a name: the drawn `small_set`, and four of torchvision's, which it downloads.

torchvision's loader of CIFAR unpickles, which would run whatever a file says. It compares the
digest of every batch with the published one first, also of files that lie there unpacked; a test
holds it to that.
"""

import errno
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adavit.data.files.collection import (
    Collection,
    SourceImage,
    identify,
    images_in_memory,
    open_image_file,
)
from adavit.data.files.formats import OpenedImage
from adavit.data.known_names import TORCHVISION_SETS, DrawnSet, check_set_name, drawn_set
from adavit.data.labels import Labels, describe
from adavit.data.small_set.images import CLASSES, LARGEST_PX, SIZE_PX, VERSION, Drawings
from adavit.data.unusable_source import UnusableSource
from adavit.errors import RunError
from adavit.runtime.cache_folder import make_own_folder


@contextmanager
def open_name(source: str, data_root: Path, side_px: int | None = None) -> Iterator[Collection]:
    """A set by its name, as "small_set:5000", "cifar10" or "cifar10:test".

    Args:
        source: The name; nothing of that name exists as a path.
        data_root: Where torchvision's files lie or are downloaded to.
        side_px: The larger side that is wanted, for what can be drawn so; None for the set's own.

    Yields:
        The collection; nothing is drawn, read or downloaded before its images are asked for.

    Raises:
        UserError: If there is no such name or split, or (from `images`) the download fails.
    """
    drawn = drawn_set(source)
    if drawn is not None:
        yield _drawn_collection(drawn, side_px)
        return
    check_set_name(source)
    name, colon, split = source.partition(":")
    splits = TORCHVISION_SETS[name].splits
    split = split if colon else next(iter(splits))
    short = name if split == next(iter(splits)) else f"{name}-{split}"
    load = functools.cache(functools.partial(_load_torchvision, name, split, data_root))
    # The published digests pin the content, so that a cached set needs neither the download nor a
    # look at it.
    yield Collection(
        short,
        source,
        identify([name, split]),
        images=lambda: _torchvision_images(name, load()),
        labels=lambda kept: _torchvision_labels(name, split, load(), kept),
    )


def _drawn_collection(drawn: DrawnSet, side_px: int | None) -> Collection:
    """Drawings, each drawn when it is opened, so that any number takes the memory of a few."""
    side = min(max(side_px or SIZE_PX, SIZE_PX), LARGEST_PX)

    def images() -> list[SourceImage]:
        drawings = Drawings(seed=drawn.seed, size_px=side)

        @contextmanager
        def opened(index: int) -> Iterator[OpenedImage]:
            yield OpenedImage(Image.fromarray(drawings[index]))

        return [
            SourceImage(f"{index:05d}", functools.partial(opened, index))
            for index in range(drawn.count)
        ]

    def labels(kept: Sequence[int]) -> Labels:
        return _pick(np.arange(drawn.count) % len(CLASSES), CLASSES, "the drawing", kept)

    identity = identify([drawn.source, str(VERSION), str(side)])
    return Collection(
        drawn.short_name, drawn.source, identity, images=images, labels=labels, one_size=True
    )


def _pick(labels: np.ndarray, classes: Sequence[str], origin: str, kept: Sequence[int]) -> Labels:
    return describe(labels[np.asarray(kept, dtype=np.int64)], tuple(classes), origin)


def _torchvision_images(name: str, dataset: Any) -> list[SourceImage]:
    if name == "flowers102":
        _check_unpacked(dataset._image_files)
        return [
            SourceImage(path.name, functools.partial(open_image_file, path))
            for path in dataset._image_files
        ]
    return images_in_memory(dataset.data if name != "stl10" else dataset.data.transpose(0, 2, 3, 1))


def _torchvision_labels(name: str, split: str, dataset: Any, kept: Sequence[int]) -> Labels:
    if split == "unlabeled":
        return Labels(None, (), "Classes: none (unlabelled).")
    attribute = {"flowers102": "_labels", "stl10": "labels"}.get(name, "targets")
    labels = np.asarray(getattr(dataset, attribute), dtype=np.int64)
    return _pick(labels, dataset.classes, name, kept)


def _check_unpacked(files: Sequence[Path]) -> None:
    """Refuse a folder whose unpacking was cut short; torchvision only looks whether it is there."""
    missing = [path for path in files if not path.is_file() or path.stat().st_size == 0]
    if missing:
        raise UnusableSource(
            "flowers102",
            f"lacks {len(missing)} of its {len(files)} images, such as "
            f"{missing[0]}, but must be unpacked in full. Remove the folder {missing[0].parent}, so "
            "that it is unpacked anew.",
        )


def _load_torchvision(name: str, split: str, data_root: Path) -> Any:
    """The dataset from files that are there, else from a download.

    Raises:
        UserError: If it cannot be downloaded; says which files to put where.
        RunError: If the disk is full.
    """
    # Imported here: torchvision's datasets take a second to import and most runs need none of them.
    import torchvision.datasets

    named = TORCHVISION_SETS[name]
    construct: Callable[..., Any] = getattr(torchvision.datasets, named.class_name)
    arguments = named.splits[split]
    try:
        return construct(str(data_root), download=False, **arguments)
    except (RuntimeError, OSError):
        pass  # missing, incomplete or with another digest: torchvision says the same for all of them
    try:
        make_own_folder(data_root)
        return construct(str(data_root), download=True, **arguments)
    except (
        Exception
    ) as error:  # urllib, ssl, http, tarfile and torchvision each have their own kinds
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise RunError(
                f"The disk of {data_root} is full, but '{name}' must be downloaded to it. Free some "
                "space, or name a folder on another disk with --data-root."
            ) from error
        where = " and ".join(str(data_root / file) for file in named.files)
        links = " and ".join(named.url + file.split("/")[-1] for file in named.files)
        raise UnusableSource(
            name,
            f"is not complete in {data_root} and could not be downloaded "
            f"({type(error).__name__}: {error}), but needs its published files. "
            f"Fetch {links} on a machine with a connection and put it at {where}, "
            "or name the folder that has it with --data-root.",
        ) from error
