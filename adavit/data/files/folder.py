"""The files of a folder, at any depth."""

import functools
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adavit.data.files.members import Member, Skipped, bin_of, is_litter, printable, stamp_of
from adavit.data.unusable_source import UnusableSource
from adavit.runtime.files import RESULTS_MARK


@dataclass(frozen=True)
class FoundFile:
    """A regular file met on the walk.

    Attributes:
        is_link: Whether its name, or a folder in it, is a symbolic link.
        name: Path inside the folder that is walked, with "/" between the parts.
        path: Where it is.
        status: Of the file itself, not of the link to it.
    """

    is_link: bool
    name: str
    path: str
    status: os.stat_result


def list_folder(path: Path, *, follow_links: bool = False) -> list[Member | Skipped]:
    """Find every file below a folder in one walk; each folder and each file counts once.

    Args:
        path: The folder.
        follow_links: Also follow links that lead out of the folder.

    Returns:
        Its regular files, in no particular order. Left out are links that lead nowhere, out of the
        folder or to what is there already; second names of a file; folders that hold results of
        adavit, or deleted files by their name; and pipes, sockets and devices, since opening one
        could wait for ever.

    Raises:
        UserError: If the folder itself cannot be read, or holds results.
    """
    files: list[Member | Skipped] = []
    known: dict[tuple[int, int], str] = {}
    found = []
    for each in _walk(path, follow_links):
        if isinstance(each, Skipped):
            files.append(each)
        else:
            found.append(each)
    # Files under their own names come before links to them, whatever their order on the walk.
    for file in sorted(found, key=lambda each: (each.is_link, each.name)):
        identity = (file.status.st_dev, file.status.st_ino)
        first = known.setdefault(identity, file.name) if file.status.st_ino else file.name
        if first != file.name:
            kind = "a link to" if file.is_link else "the same file as"
            reason = f"is {kind} {printable(first)}, which counts once"
            files.append(Skipped(printable(file.name), reason))
            continue
        opener = functools.partial(open_file, file.path)
        files.append(Member(file.name, file.status.st_size, stamp_of(file.status), opener))
    return files


def _walk(path: Path, follow_links: bool) -> Iterator[FoundFile | Skipped]:
    root = os.path.realpath(path)
    seen: set[tuple[int, int]] = set()
    # Linked folders wait until all real ones are read, so that a link never takes the place of what
    # it leads to.
    folders, linked = [(path, "")], list[tuple[Path, str]]()
    while folders or linked:
        is_link = not folders
        folder, prefix = linked.pop() if is_link else folders.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                yield Skipped(printable(prefix), "is a link to a folder that was read already")
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            if not prefix:
                raise UnusableSource(
                    path,
                    f"cannot be read ({error.strerror}), but must be a folder you may list. Check its"
                    " permissions.",
                ) from error
            reason = f"is a folder that cannot be read ({error.strerror})"
            yield Skipped(printable(prefix), reason)
            continue
        if any(entry.name == RESULTS_MARK for entry in inside):
            if not prefix:
                raise UnusableSource(
                    path,
                    "holds results of adavit, but must hold images. Give the images"
                    " themselves: a run's pictures are grids, adavit generate writes single images.",
                )
            yield Skipped(printable(prefix), "holds results of adavit, which are not data")
            continue
        for entry in inside:
            name = f"{prefix}{entry.name}"
            if is_litter(entry.name):
                continue
            try:
                status = os.stat(entry.path)  # not entry.stat(), which knows no inode on Windows
            except OSError as error:
                yield Skipped(printable(name), f"cannot be read ({error.strerror})")
                continue
            if entry.is_symlink() and not follow_links and not _is_below(entry.path, root):
                yield Skipped(printable(name), "is a link that leads out of the folder")
            elif stat.S_ISDIR(status.st_mode) and (left_out := bin_of(f"{name}/")) is not None:
                yield left_out
            elif stat.S_ISDIR(status.st_mode):
                # What lies below a linked folder is reached through it.
                beyond = linked if is_link or entry.is_symlink() else folders
                beyond.append((Path(entry.path), f"{name}/"))
            elif stat.S_ISREG(status.st_mode):
                yield FoundFile(is_link or entry.is_symlink(), name, entry.path, status)
            else:
                yield Skipped(printable(name), "is a pipe, socket or device, not a file")


def _is_below(path: str, root: str) -> bool:
    target = os.path.realpath(path)
    return target == root or target.startswith(os.path.join(root, ""))


def open_file(path: str | Path) -> BinaryIO:
    """Open a file for reading bytes."""
    return open(path, "rb")
