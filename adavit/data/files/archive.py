"""The members of a zip. Nothing is ever unpacked to disk, so no member can leave the archive."""

import contextlib
import functools
import io
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from adavit.data.files.formats import is_image
from adavit.data.files.members import (
    MAXIMUM_MEMBER_BYTES,
    Member,
    Skipped,
    bin_of,
    is_litter,
    plain,
    printable,
)
from adavit.data.unusable_source import UnusableSource

# Deflate unpacks to at most 1,032 times its size; a member near that limit which is also large is
# not a photograph.
_BOMB_RATIO = 200
_BOMB_BYTES = 64 << 20
_ENCRYPTED = 0x1
_READ_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"}
)
"""Of files that people take for sets of images."""

_DRIVE = re.compile(r"[A-Za-z]:")


@contextmanager
def open_archive(path: Path) -> Iterator[list[Member | Skipped]]:
    """List a zip from its central directory and keep it open for reading.

    Args:
        path: The zip file.

    Yields:
        Its files, in no particular order. The members can be read, from several threads too, until
        the block ends. Each is read up to its declared size, which is limited, and against its
        checksum.

    Raises:
        UserError: If the file is not a zip, or a truncated one.
    """
    try:
        archive = zipfile.ZipFile(path)
        infos = archive.infolist()
    except (
        Exception
    ) as error:  # a hostile central directory raises anything: struct, Unicode, OS errors
        what, remedy = _instead_of_a_zip(path, error)
        raise UnusableSource(
            path, f"{what}, but must be a folder of images, a zip of them, or a name. {remedy}"
        ) from error
    with archive:
        yield _list_archive(archive, infos)


def _instead_of_a_zip(path: Path, error: Exception) -> tuple[str, str]:
    """What a file is that is no zip, and what to do about it."""
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return "is a video", "Extract its frames as images first, and give their folder."
    with contextlib.suppress(OSError), path.open("rb") as file:
        if is_image(file):
            return "is one image", f"Give the folder that it is in: '{path.parent}'."
    return (
        f"is not a zip that can be read ({printable(str(error))})",
        "Pack the images into a new zip, or give the folder they are in.",
    )


def _list_archive(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> list[Member | Skipped]:
    found: dict[str, Member] = {}
    skipped: list[Skipped] = []
    bins: dict[Skipped, None] = {}
    for info in infos:
        name = plain(info.filename)
        if info.filename.endswith(("/", "\\")) or is_litter_member(name):
            continue
        reason = _reason_to_skip(info, name)
        if reason is not None:
            skipped.append(Skipped(printable(name), reason))
            continue
        if (left_out := bin_of(name)) is not None:
            bins[left_out] = None
            continue
        if name in found:
            reason = "is in the archive twice under this name; the last one counts"
            skipped.append(Skipped(printable(name), reason))
        stamp = f"{info.CRC:08x} {info.compress_size}"
        opener = functools.partial(_open_member, archive, info)
        found[name] = Member(name, info.file_size, stamp, opener)
    return [*found.values(), *skipped, *bins]


def is_litter_member(name: str) -> bool:
    """As `is_litter`, but ".." is no hidden folder: such a name is hostile and must be listed."""
    return is_litter("/".join(part for part in name.split("/") if part not in ("", ".", "..")))


def _reason_to_skip(info: zipfile.ZipInfo, name: str) -> str | None:
    if name.startswith("/") or _DRIVE.match(name):
        return "has an absolute name, which would lead out of the archive"
    if ".." in name.split("/"):
        return "has '..' in its name, which would lead out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a symbolic link inside an archive"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in _READ_METHODS:
        # Other methods unpack without a bound on what one read gives.
        return f"is compressed with method {info.compress_type}; only stored and deflated members are read"
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > MAXIMUM_MEMBER_BYTES or (
        info.file_size > _BOMB_BYTES and ratio > _BOMB_RATIO
    ):
        megabytes = info.file_size / 1e6
        return f"would unpack to {megabytes:.0f} MB, {ratio:.0f} times its size, as no image does"
    return None


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    # In memory, because an image decoder seeks and a seek backwards in a deflated member unpacks it
    # anew.
    with archive.open(info) as stream:
        return io.BytesIO(stream.read(MAXIMUM_MEMBER_BYTES))
