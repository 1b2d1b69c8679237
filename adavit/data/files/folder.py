"""The files of a folder, at any depth."""

import functools
import os
import stat
from pathlib import Path
from typing import BinaryIO

from adavit.data.files.members import Member, Skipped, is_litter, printable, stamp_of
from adavit.errors import UserError


def list_folder(path: Path) -> list[Member | Skipped]:
    """Find every file below a folder in one walk; links are followed, each folder is read once.

    Args:
        path: The folder.

    Returns:
        Its regular files, in no particular order. Links that lead nowhere or in a circle, and pipes,
        sockets and devices (opening one could wait for ever) are skipped.

    Raises:
        UserError: If the folder itself cannot be read.
    """
    files: list[Member | Skipped] = []
    seen: set[tuple[int, int]] = set()
    # Linked folders wait until all real ones are read, so that a link never takes the place of what
    # it leads to.
    folders, linked = [(path, "")], list[tuple[Path, str]]()
    while folders or linked:
        folder, prefix = folders.pop() if folders else linked.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                files.append(
                    Skipped(printable(prefix), "is a link to a folder that was read already")
                )
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            if not prefix:
                message = f"data.source '{path}' cannot be read ({error.strerror}), but must be a folder you may list."
                raise UserError(f"{message} Check its permissions.") from error
            files.append(
                Skipped(printable(prefix), f"is a folder that cannot be read ({error.strerror})")
            )
            continue
        for entry in found:
            name = f"{prefix}{entry.name}"
            if is_litter(entry.name):
                continue
            file = _examine(entry, name)
            if file is not None:
                files.append(file)
            else:
                (linked if entry.is_symlink() else folders).append((Path(entry.path), f"{name}/"))
    return files


def _examine(entry: "os.DirEntry[str]", name: str) -> Member | Skipped | None:
    """A member, a reason to skip the entry, or None for a folder to walk into."""
    try:
        status = os.stat(entry.path)  # not entry.stat(), which knows no inode on Windows
    except OSError as error:
        return Skipped(printable(name), f"cannot be read ({error.strerror})")
    if stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        return Skipped(printable(name), "is a pipe, socket or device, not a file")
    opener = functools.partial(open_file, entry.path)
    return Member(name, status.st_size, stamp_of(status), opener)


def open_file(path: str | Path) -> BinaryIO:
    """Open a file for reading bytes."""
    return open(path, "rb")
