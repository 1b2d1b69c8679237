"""A set of pictures before it is decoded: where each comes from, and what identifies the whole."""

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from adavit.data.files.archive import open_archive
from adavit.data.files.decode import Unreadable, open_picture
from adavit.data.files.folder import list_folder, open_file
from adavit.data.files.members import Listing, Member, Skipped, printable
from adavit.data.labels import Labels, labels_from_file, labels_from_folders, read_label_file


@dataclass(frozen=True)
class Picture:
    """One image that can be opened.

    Attributes:
        name: Path inside the source, or a number in a set that has no files.
        open: Gives the image with its header read; raises `Unreadable`. The image is valid until
            the block ends.
    """

    name: str
    open: Callable[[], AbstractContextManager[Image.Image]]


@dataclass(frozen=True)
class Contents:
    """What there is to decode.

    Attributes:
        pictures: The images in the order of the set.
        label: Class labels of those pictures that could be read, given their indices.
        skipped: What was left out before opening it.
    """

    pictures: Sequence[Picture]
    label: Callable[[Sequence[int]], Labels]
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Collection:
    """A set that was found but not yet read.

    Attributes:
        name: Short and safe as part of a file name.
        source: The path or name as it was resolved.
        identity: Changes whenever the content may have changed.
        contents: Lists the pictures; may generate or download them, so it is called only when the
            cache has nothing.
    """

    name: str
    source: str
    identity: str
    contents: Callable[[], Contents]


@contextmanager
def open_files(path: Path, name: str) -> Iterator[Collection]:
    """A folder or a zip as a collection, open until the block ends.

    Args:
        path: The folder or zip; must exist.
        name: Short name of the set.

    Yields:
        The collection, identified by path and by names, sizes and times of its files.

    Raises:
        UserError: If the path cannot be listed.
    """
    resolved = path.resolve()
    if resolved.is_dir():
        yield _from_listing(list_folder(resolved), resolved, name)
    else:
        with open_archive(resolved) as listing:
            yield _from_listing(listing, resolved, name)


def _from_listing(listing: Listing, path: Path, name: str) -> Collection:
    def contents() -> Contents:
        pictures = [Picture(member.name, lambda member=member: _open(member)) for member in members]  # type: ignore[misc]
        labels = None if listing.label_file is None else read_label_file(listing.label_file)

        def label(kept: Sequence[int]) -> Labels:
            names = [members[index].name for index in kept]
            return labels_from_folders(names) if labels is None else labels_from_file(names, labels)

        return Contents(pictures, label, listing.skipped)

    members = listing.members
    status = path.stat()
    parts = [str(path), "" if path.is_dir() else f"{status.st_size} {status.st_mtime_ns}"]
    for member in (*members, *([listing.label_file] if listing.label_file else [])):
        parts.append(f"{member.name}\0{member.size_bytes}\0{member.stamp}")
    parts.extend(f"{each.name}\0{each.reason}" for each in listing.skipped)
    return Collection(name, str(path), identify(parts), contents)


@contextmanager
def _open(member: Member) -> Iterator[Image.Image]:
    try:
        stream = member.open()
    except Exception as error:  # zipfile and zlib raise many kinds; one member must never end a run
        raise Unreadable(f"cannot be read ({printable(str(error))})") from error
    with stream:
        yield open_picture(stream)


def from_arrays(images: np.ndarray, labels: Callable[[Sequence[int]], Labels]) -> Contents:
    """Images that are in memory already as contents.

    Args:
        images: uint8 [N, H, W, 3].
        labels: As in `Contents`.
    """

    @contextmanager
    def opened(index: int) -> Iterator[Image.Image]:
        yield Image.fromarray(images[index])

    pictures = [
        Picture(f"{index:05d}", lambda index=index: opened(index))  # type: ignore[misc]
        for index in range(len(images))
    ]
    return Contents(pictures, labels)


def identify(parts: Sequence[str]) -> str:
    """SHA-256 over a list of texts; names that are not valid Unicode count too."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


@contextmanager
def open_picture_file(path: Path) -> Iterator[Image.Image]:
    """An image file on disk, open until the block ends; raises `Unreadable`."""
    with _open(Member(path.name, 0, "", functools.partial(open_file, path))) as image:
        yield image
