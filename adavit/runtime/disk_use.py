"""How much of a disk files take."""

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path


def bytes_below(folder: Path) -> int:
    """Bytes of the files in a folder, at any depth; of one under two names once, and nothing behind links."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # another process may have removed it
                status = os.lstat(os.path.join(path, name))
                found[status.st_dev, status.st_ino] = status.st_size
    return sum(found.values())


def freed_bytes(files: Iterable[Path]) -> int:
    """What the disk gains where these files go: nothing of one that stays under another name."""
    names: Counter[tuple[int, int]] = Counter()
    known = {}
    for path in files:
        with contextlib.suppress(OSError):
            status = path.lstat()
            names[status.st_dev, status.st_ino] += 1
            known[status.st_dev, status.st_ino] = status
    return sum(known[key].st_size for key, count in names.items() if count >= known[key].st_nlink)


def is_plain_file(path: Path) -> bool:
    """Whether a path is a file itself: no link to one, no folder, no pipe."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
