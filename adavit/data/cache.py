"""Decoded sets on disk: an .npy file named by its content, and a JSON named by the request.

Nothing here is unpickled. The pixels lie under the digest of their content and are complete before
the JSON that names them appears, so runs at the same time and runs that are killed cannot damage
each other's entries.
"""

import io
import json
import os
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adavit.data.digests import fingerprint_start
from adavit.runtime.files import unfinished_file

FORMAT_VERSION = 1
_UNFINISHED = ".tmp-"
_STALE_SECONDS = 24 * 3600
_SPOT_COUNT = 64
_SPOT_BYTES = 4096


@dataclass(frozen=True)
class Entry:
    """A set in the cache.

    Attributes:
        images: uint8 [N, C, R, R], memory-mapped read-only (or in memory when it could not be
            written).
        fingerprint: SHA-256 of the content, in hexadecimal.
        record: What else was stored, as JSON gives it back.
    """

    images: np.ndarray
    fingerprint: str
    record: Mapping[str, Any]


def default_cache_dir() -> Path:
    """Where decoded sets and downloads go: $ADAVIT_CACHE, else the platform's folder for caches."""
    chosen = os.environ.get("ADAVIT_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "adavit"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "adavit" / "Cache"
    base = os.environ.get("XDG_CACHE_HOME")
    # The convention: a relative path in the variable is to be ignored.
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "adavit"


def load(folder: Path, key: str) -> Entry | None:
    """Find a set.

    Args:
        folder: The cache.
        key: Digest of the request.

    Returns:
        The entry, without reading its pixels apart from some spots; None if there is none or it is
        truncated or damaged.
    """
    try:
        stored = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        fingerprint, record = str(stored["fingerprint"]), dict(stored["record"])
        shape = tuple(int(size) for size in stored["shape"])
        path = folder / f"{os.path.basename(fingerprint)}.npy"
        images = np.load(path, mmap_mode="r", allow_pickle=False)
        is_whole = path.stat().st_size == len(_npy_header(shape)) + images.size
        if not is_whole or images.dtype != np.uint8 or images.shape != shape:
            return None
        if _spot_check(images) != stored["spots"]:
            return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError):
        return None
    return Entry(images, fingerprint, record)


def store(
    folder: Path,
    key: str,
    shape: tuple[int, ...],
    blocks: Iterator[np.ndarray],
    labels: np.ndarray | None,
    record: Mapping[str, Any],
) -> Entry:
    """Write a set and map it.

    Args:
        folder: The cache; made if it is missing.
        key: Digest of the request.
        shape: [N, C, R, R].
        blocks: The pixels in order, uint8 [n, C, R, R] each.
        labels: int64 [N] or None; part of the fingerprint, not of the pixel file.
        record: What else to keep, of types that JSON has.

    Returns:
        The entry.

    Raises:
        OSError: If it cannot be written (disk full, read-only). Nothing is left behind then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder)
    digest = fingerprint_start(shape, labels)
    with unfinished_file(folder, _UNFINISHED) as (file, finish):
        file.write(_npy_header(shape))
        for block in blocks:
            data = np.ascontiguousarray(block).tobytes()
            digest.update(data)
            file.write(data)
        fingerprint = digest.hexdigest()
        finish(folder / f"{fingerprint}.npy")
    images = np.load(folder / f"{fingerprint}.npy", mmap_mode="r", allow_pickle=False)
    stored = {
        "fingerprint": fingerprint,
        "shape": list(shape),
        "spots": _spot_check(images),
        "record": dict(record),
    }
    with unfinished_file(folder, _UNFINISHED) as (file, finish):
        file.write(json.dumps(stored).encode())
        finish(folder / f"{key}.json")
    return Entry(images, fingerprint, record)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
    )
    return header.getvalue()


def _spot_check(images: np.ndarray) -> int:
    """CRC of 64 spots of 4 KB spread over the pixels: finds a file whose middle was lost, at once."""
    flat = images.reshape(-1)
    checksum = 0
    for start in np.linspace(0, max(flat.size - _SPOT_BYTES, 0), _SPOT_COUNT).astype(np.int64):
        checksum = zlib.crc32(flat[start : start + _SPOT_BYTES].tobytes(), checksum)
    return checksum


def _remove_stale(folder: Path) -> None:
    """Remove what runs that were killed while writing left behind."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()
