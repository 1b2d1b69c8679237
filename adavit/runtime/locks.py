"""Who works in a folder: a lock that the system takes away when its process ends, however it ends."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

PATIENCE_S = 0.5
"""How long a lock is tried: `is_locked` may hold it for a moment."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """While entered, no other process can enter for the same path.

    Args:
        path: File of the lock; made if it is missing, and left.

    Raises:
        TimeoutError: If another one holds it.
        OSError: If it cannot be made, or locked; it names the file.
    """
    lock = _lock(path)
    try:
        lock.acquire(timeout=PATIENCE_S, poll_interval=0.02)
    except Timeout:
        raise TimeoutError(str(path)) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a process has entered `locked`; nothing is written, and leave to read is enough.

    False too where it cannot be told: without the file, and on file systems without locks.
    """
    if sys.platform == "win32":
        return path.is_file() and not _can_be_taken(path)
    import fcntl  # of POSIX alone

    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask do not meet
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)  # gives the lock free
    return False


def _lock(path: Path) -> FileLock:
    # Where the system has none, a file would stand in for it, which outlives a process that is killed.
    return FileLock(path, fallback_to_soft=False)


def _can_be_taken(path: Path) -> bool:
    try:
        with _lock(path).acquire(timeout=0):
            return True
    except (Timeout, OSError):
        return False
