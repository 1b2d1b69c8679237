"""Writing files so that a reader, or a kill at any moment, never meets half of one."""

import contextlib
import os
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces a file as a whole.

    The content is made before it is written, since libraries that write by themselves hide why they
    could not: a full disk must stay an OSError.

    Args:
        path: The file to make or replace; its old content survives any failure.
        content: All of it.

    Raises:
        OSError: If it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replaces a file by UTF-8 text, as a whole."""
    write_bytes(path, text.encode("utf-8"))


def _sync_folder(folder: Path) -> None:
    """Makes the renaming itself last through a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
