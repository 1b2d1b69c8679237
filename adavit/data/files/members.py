"""What is found in a folder or an archive: members that can be opened, and files left out, each with its reason."""

import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

LABEL_FILE = "dataset.json"
# A 16-bit RGBA image of 100 megapixels without compression.
MAXIMUM_MEMBER_BYTES = 800_000_000 + (1 << 20)
# What macOS, Windows, Linux and the boxes of Synology, QNAP and NetApp put among one's files.
_LITTER = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "@eadir",
        "@recycle",
        "#recycle",
        "#snapshot",
        "@recently-snapshot",
        "@sharebin",
        "@tmp",
        "~snapshot",
        "network trash folder",
        "temporary items",
    }
)
# What Windows up to XP calls its bin, which is at the top of a disk: a class of images may be called so, too.
_BINS = frozenset({"recycler", "recycled"})
# What a check of a disk of Windows has found: FOUND.000, FOUND.001, ...
_FOUND = re.compile(r"found\.\d{3}")
# Joiners inside words of Persian, Hindi and others, and inside emoji: harmless, and needed to read them.
_JOINERS = "\u200c\u200d"


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
        stamp: Changes when the content may have changed: `stamp_of` the file, or its checksum in an
            archive.
        open: Opens the file for reading; may raise OSError or what `zipfile` raises for a broken
            archive.
    """

    name: str
    size_bytes: int
    stamp: str
    open: Callable[[], BinaryIO]


def stamp_of(status: os.stat_result) -> str:
    """What changes with every change of a file's content or place on the disk.

    Whoever replaces a file may give the new one the name, size and time of the old one, as unpacking
    an archive does; its inode and the time of its last change are the system's own.
    """
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_dev}:{status.st_ino}"


def is_litter(name: str) -> bool:
    """Whether a path is something that systems leave behind: hidden files, thumbnails, deleted files."""
    return any(
        part.startswith(".") or part in _LITTER or _FOUND.fullmatch(part) is not None
        for part in name.lower().split("/")
    )


def bin_of(name: str) -> Skipped | None:
    """The folder at the top of a path, if that is called as Windows calls its bin; None if not."""
    top, slash, _ = name.partition("/")
    if not slash or top.lower() not in _BINS:
        return None
    reason = "is called as Windows calls its bin; rename it to have its images read"
    return Skipped(f"{printable(top)}/", reason)


def plain(name: str) -> str:
    """A path with "/" between its parts, whatever it had, and none that lead nowhere: "./a//b" is "a/b"."""
    root = "/" if name.startswith(("/", "\\")) else ""
    return root + "/".join(part for part in re.split(r"[/\\]", name) if part not in ("", "."))


def normal(name: str) -> str:
    """A name in the form in which names are compared: systems write the same letter in several ways (NFC, NFD)."""
    return unicodedata.normalize("NFC", name)


def printable(text: str) -> str:
    """Text that is safe in a log, a terminal and JSON: control characters and lone surrogates become escapes."""
    return "".join(
        character
        if unicodedata.category(character)[0] != "C" or character in _JOINERS
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
