"""What a folder or an archive holds: named members that can be opened, and what was left out with the reason."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

LABEL_FILE = "dataset.json"
# A 16-bit RGBA image of 100 megapixels without compression: nothing that would be decoded is
# larger.
MAXIMUM_MEMBER_BYTES = 800_000_000 + (1 << 20)
_LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Skipped:
    """A file that is not among the images.

    Attributes:
        name: Path inside the source, with unprintable characters escaped.
        reason: Why, as the end of the sentence "it ...", e.g. "is empty (0 bytes)".
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Member:
    """One file of a folder or an archive.

    Attributes:
        name: Path inside the source with "/" between the parts.
        size_bytes: Size of the file, unpacked.
        stamp: Changes when the content may have changed: the time of the file, or its checksum in
            an archive.
        open: Opens the file for reading; may raise OSError or what `zipfile` raises for a broken
            archive.
    """

    name: str
    size_bytes: int
    stamp: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Listing:
    """All that a folder or an archive holds.

    Attributes:
        members: Files that may be images, sorted by name so that a folder and its zip are the same
            set.
        label_file: StyleGAN's dataset.json when the source has one at its top.
        skipped: What is left out already, without looking inside.
    """

    members: tuple[Member, ...]
    label_file: Member | None
    skipped: tuple[Skipped, ...]


def is_litter(name: str) -> bool:
    """Whether a path is something that operating systems leave behind: hidden files, `__MACOSX`, thumbnails."""
    return any(part.startswith(".") or part.lower() in _LITTER for part in name.split("/"))


def printable(text: str) -> str:
    """Text that is safe in a log, a terminal and JSON: control characters and lone surrogates become escapes."""
    return "".join(
        character
        if unicodedata.category(character)[0] != "C"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def make_listing(members: list[Member], skipped: list[Skipped]) -> Listing:
    """Sort the members, set dataset.json apart and refuse files too large to be an image.

    Args:
        members: Files found, in any order, each name once.
        skipped: What was left out while finding them.

    Returns:
        The listing, sorted by name. The label file may lie below folders that all members share.
    """
    kept: list[Member] = []
    label_files: list[Member] = []
    left_out = list(skipped)
    for member in sorted(members, key=lambda each: each.name):
        if member.name.split("/")[-1] == LABEL_FILE:
            label_files.append(member)
        elif member.size_bytes == 0:
            left_out.append(Skipped(printable(member.name), "is empty (0 bytes)"))
        elif member.size_bytes > MAXIMUM_MEMBER_BYTES:
            reason = f"has {member.size_bytes / 1e6:.0f} MB, more than an image of 100 megapixels can have"
            left_out.append(Skipped(printable(member.name), reason))
        else:
            kept.append(member)
    label_file = min(label_files, key=lambda each: each.name.count("/"), default=None)
    left_out.sort(key=lambda each: each.name)
    return Listing(tuple(kept), label_file, tuple(left_out))
