"""A set of images before it is decoded: where each comes from, and what identifies the whole."""

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from adavit.data.files.archive import open_archive
from adavit.data.files.folder import list_folder, open_file
from adavit.data.files.formats import OpenedImage, open_image, unreadable
from adavit.data.files.members import (
    LABEL_FILE,
    MAXIMUM_MEMBER_BYTES,
    Member,
    Skipped,
    normal,
    printable,
    stamp_of,
)
from adavit.data.labels import Labels, labels_from_file, labels_from_folders, read_label_file
from adavit.data.unusable_source import UnusableSource
from adavit.runtime.inputs import check_regular


@dataclass(frozen=True)
class SourceImage:
    """One image that can be opened.

    Attributes:
        name: Path inside the source, or a number in a set that has no files.
        open: Gives the image with its header read; raises `Unreadable`. The image is valid until
            the block ends.
    """

    name: str
    open: Callable[[], AbstractContextManager[OpenedImage]]


@dataclass(frozen=True)
class Collection:
    """A set that was found but not yet read.

    Attributes:
        name: Short and safe as part of a file name.
        source: The path or name as it was resolved.
        identity: Changes whenever the content may have changed.
        images: Lists the images in the order of the set; may draw or download them, so it is called
            only when the cache has nothing.
        labels: Class labels of those images that could be read, given their indices.
        skipped: What was left out before opening it.
        has_files: Whether the names of its images are those of files that the user has.
        label_file: Its dataset.json, if it has one that counts.
        one_size: Whether all of its images are of one size, so that the first tells it.
    """

    name: str
    source: str
    identity: str
    images: Callable[[], Sequence[SourceImage]]
    labels: Callable[[Sequence[int]], Labels]
    skipped: tuple[Skipped, ...] = ()
    has_files: bool = False
    label_file: Member | None = None
    one_size: bool = False


@contextmanager
def open_files(path: Path, name: str, *, follow_links: bool = False) -> Iterator[Collection]:
    """A folder or a zip as a collection, open until the block ends.

    Args:
        path: The folder or zip; must exist.
        name: Short name of the set.
        follow_links: Also follow links that lead out of the folder.

    Yields:
        The collection, identified by names, sizes, places on the disk and times of its files (of a
        zip: those of the archive, and its members' checksums).

    Raises:
        UserError: If the path cannot be listed.
    """
    resolved = path.resolve()
    if resolved.is_dir():
        yield _from_files(list_folder(resolved, follow_links=follow_links), resolved, name)
    else:
        _check_file(path)
        with open_archive(resolved) as files:
            yield _from_files(files, resolved, name)


def _check_file(path: Path) -> None:
    try:
        check_regular(path)
    except OSError as error:
        raise UnusableSource(
            path,
            f"cannot be read ({error.strerror}), but must be a folder of images"
            " or a zip of them. Check the path.",
        ) from None


def _from_files(files: Sequence[Member | Skipped], path: Path, name: str) -> Collection:
    """What was found below a path as a set, sorted by name: a folder and its zip are the same set.

    StyleGAN's dataset.json is set apart: the one at the top, or beside the folders that all members
    share. Any other labels a part of the set only, and does not count.
    """
    members: list[Member] = []
    label_files: list[Member] = []
    skipped: list[Skipped] = []
    for file in sorted(files, key=lambda each: (normal(each.name), each.name)):
        if isinstance(file, Skipped):
            skipped.append(file)
        elif file.name.split("/")[-1] == LABEL_FILE:
            label_files.append(file)
        elif (reason := _reason_to_skip(file)) is not None:
            skipped.append(Skipped(printable(file.name), reason))
        else:
            members.append(file)
    label_file = None
    for file in sorted(label_files, key=lambda each: each.name.count("/")):
        folder = file.name.removesuffix(LABEL_FILE)
        if label_file is None and all(each.name.startswith(folder) for each in members):
            label_file = file
        else:
            skipped.append(
                Skipped(
                    printable(file.name), f"is a {LABEL_FILE} that does not lie above all images"
                )
            )
    skipped.sort(key=lambda each: each.name)

    def images() -> list[SourceImage]:
        return [SourceImage(each.name, functools.partial(_open, each)) for each in members]

    def labels(kept: Sequence[int]) -> Labels:
        names = [members[index].name for index in kept]
        if label_file is None:
            return labels_from_folders(names)
        return labels_from_file(names, read_label_file(label_file))

    parts = ["" if path.is_dir() else stamp_of(path.stat())]
    for member in (*members, *([label_file] if label_file else [])):
        parts.append(f"{member.name}\0{member.size_bytes}\0{member.stamp}")
    parts.extend(f"{each.name}\0{each.reason}" for each in skipped)
    return Collection(
        name,
        str(path),
        identify(parts),
        images,
        labels,
        tuple(skipped),
        has_files=True,
        label_file=label_file,
    )


def _reason_to_skip(member: Member) -> str | None:
    if member.size_bytes == 0:
        return "is empty (0 bytes)"
    if member.size_bytes > MAXIMUM_MEMBER_BYTES:
        limit = MAXIMUM_MEMBER_BYTES // 10**6
        return f"has {member.size_bytes / 1e6:.0f} MB; image files of up to {limit} MB are read"
    return None


@contextmanager
def _open(member: Member) -> Iterator[OpenedImage]:
    try:
        stream = member.open()
    except Exception as error:  # zipfile and zlib raise many kinds; one member must never end a run
        raise unreadable(error) from error
    with stream:
        yield open_image(stream)


def images_in_memory(pixels: np.ndarray) -> list[SourceImage]:
    """Images that are in memory already, uint8 [N, H, W, 3], under their numbers as names."""

    @contextmanager
    def opened(index: int) -> Iterator[OpenedImage]:
        yield OpenedImage(Image.fromarray(pixels[index]))

    return [
        SourceImage(f"{index:05d}", functools.partial(opened, index))
        for index in range(len(pixels))
    ]


def identify(parts: Sequence[str]) -> str:
    """SHA-256 over a list of texts; names that are not valid Unicode count too."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


@contextmanager
def open_image_file(path: Path) -> Iterator[OpenedImage]:
    """An image file on disk, open until the block ends; raises `Unreadable`."""

    def opened() -> BinaryIO:
        check_regular(path)
        return open_file(path)

    with _open(Member(path.name, 0, "", opened)) as image:
        yield image
