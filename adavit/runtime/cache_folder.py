"""The folder of what can be made anew (decoded sets, features, downloads): where it is, how large it may grow."""

import math
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from adavit.errors import UserError
from adavit.runtime.files import RESULTS_MARK, is_unfinished, mark_results
from adavit.runtime.paths import expand_home, home_folder

DEFAULT_LIMIT_GB = 20.0
PARTS = ("images", "features", "downloads")
"""Folders in it: decoded sets, features of real images, and data sets as they were downloaded."""

_HEXADECIMAL = "[0-9a-f]"
DIGEST = 64 * _HEXADECIMAL
"""Pattern of the names that decoded sets have."""

_FEATURES = f"features-{32 * _HEXADECIMAL}.safetensors"
_OWN_FILES = {
    "images": (f"{DIGEST}.npy", f"{DIGEST}.json", ".tmp-*.partial"),
    "features": (_FEATURES, ".features-*.partial"),
    "downloads": (),
}
"""Patterns of what adavit itself calls its files; a folder that was there before may hold others."""

_STALE_SECONDS = 24 * 3600
_BOUNDED = (f"images/{DIGEST}.npy", f"features/{_FEATURES}")
"""What the limit counts. Downloads are not among it: they cannot always be had again."""


def default_cache_dir() -> Path:
    """The folder: $ADAVIT_CACHE, else the platform's folder for caches."""
    chosen = os.environ.get("ADAVIT_CACHE")
    if chosen:
        return expand_home(Path(chosen))
    if sys.platform == "darwin":
        return home_folder() / "Library" / "Caches" / "adavit"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else home_folder() / "AppData" / "Local") / "adavit" / "Cache"
    base = os.environ.get("XDG_CACHE_HOME")
    # The convention: a relative path in the variable is to be ignored.
    return (
        Path(base) if base and Path(base).is_absolute() else home_folder() / ".cache"
    ) / "adavit"


def cache_limit_bytes() -> int:
    """How large decoded sets and features together may grow: $ADAVIT_CACHE_GB times 10^9, else 20 GB.

    Raises:
        UserError: If the variable is not a number of at least 0.
    """
    given = os.environ.get("ADAVIT_CACHE_GB") or str(DEFAULT_LIMIT_GB)
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = math.nan
    if not 0 <= gigabytes < math.inf:
        raise UserError(
            f"ADAVIT_CACHE_GB is {given!r}, but must be a number of gigabytes, at least 0. "
            f"Set it to {DEFAULT_LIMIT_GB:g}, or unset it."
        )
    return int(gigabytes * 1e9)


_used_here: set[Path] = set()


def mark_used(path: Path) -> None:
    """Put a file last among those that `trim` removes; this process removes it no more.

    Else a set and its features, which together are beyond the limit, would remove each other, and each start would
    decode one and extract the other anew.
    """
    _used_here.add(path.absolute())
    with suppress(OSError):
        os.utime(path)


def trim(cache_dir: Path) -> list[Path]:
    """Remove the least recently used files until the limit is kept.

    What this process has used stays, even where the limit cannot be kept then. A file that a process has mapped stays
    readable to it.

    Args:
        cache_dir: The folder.

    Returns:
        What was removed.
    """
    limit = cache_limit_bytes()
    found = []
    for path in (path for pattern in _BOUNDED for path in cache_dir.glob(pattern)):
        with suppress(OSError):  # another process may have removed it
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in found)
    removed = []
    for _, size, path in sorted(found):
        if total <= limit:
            break
        if path.absolute() not in _used_here:
            with suppress(OSError):
                path.unlink()
                removed.append(path)
                total -= size
    return removed


def part_size(cache_dir: Path, part: str) -> tuple[int, int]:
    """The number of files of one of `PARTS`, and their bytes."""
    count = total = 0
    for path in (cache_dir / part).rglob("*"):
        with suppress(OSError):
            if path.is_file() and path.name != RESULTS_MARK:
                count, total = count + 1, total + path.stat().st_size
    return count, total


def make_own_folder(folder: Path) -> None:
    """Make a folder for what can be made anew; one that was there already may hold files of others.

    What is made is marked: it is no data, wherever it lies, and may be removed as a whole. What
    processes that were killed while writing have left in it goes after a day: others may be writing.

    Raises:
        OSError: If it cannot be made.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        mark_results(folder)
    for path in filter(is_unfinished, folder.iterdir()):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()


def empty_part(cache_dir: Path, part: str) -> None:
    """Remove one of `PARTS`; of a folder that adavit has not made, its own files alone.

    Whoever names a folder of theirs as the cache may have a folder `images` or `downloads` in it.

    Raises:
        OSError: If something in it cannot be removed.
    """
    folder = cache_dir / part
    if (folder / RESULTS_MARK).exists():
        shutil.rmtree(folder)
        return
    for path in [path for pattern in _OWN_FILES[part] for path in folder.glob(pattern)]:
        path.unlink(missing_ok=True)
