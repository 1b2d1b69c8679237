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
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from adavit.data.digests import fingerprint_start
from adavit.data.files.members import Skipped
from adavit.data.image_set import ImageSet
from adavit.runtime.files import unfinished_file

FORMAT_VERSION = 2
_UNFINISHED = ".tmp-"
_STALE_SECONDS = 24 * 3600
_SPOT_COUNT = 64
_SPOT_BYTES = 4096


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


def load(folder: Path, key: str) -> ImageSet | None:
    """Find a set.

    Args:
        folder: The cache.
        key: Digest of the request.

    Returns:
        The set, without reading its pixels apart from some spots; None if there is none or it is
        truncated or damaged.
    """
    try:
        stored = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        fingerprint = str(stored["fingerprint"])
        shape = tuple(int(size) for size in stored["shape"])
        path = folder / f"{os.path.basename(fingerprint)}.npy"
        images = np.load(path, mmap_mode="r", allow_pickle=False)
        is_whole = path.stat().st_size == len(_npy_header(shape)) + images.size
        if not is_whole or images.dtype != np.uint8 or images.shape != shape:
            return None
        if _spot_check(images) != stored["spots"]:
            return None
        labels = stored["labels"]
        indices = None if labels is None else np.asarray(labels, dtype=np.int64)
        if indices is not None and indices.shape != (len(images),):
            return None
        return ImageSet(
            name=str(stored["name"]),
            images=images,
            labels=indices,
            classes=tuple(str(name) for name in stored["classes"]),
            fingerprint=fingerprint,
            skipped=tuple(Skipped(str(name), str(why)) for name, why in stored["skipped"]),
            source=str(stored["source"]),
            notes=tuple(str(note) for note in stored["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, OverflowError):
        return None


def store(folder: Path, key: str, image_set: ImageSet) -> None:
    """Write what a set is besides its pixels, from when on `load` finds it.

    Args:
        folder: The cache.
        key: Digest of the request.
        image_set: The set; its pixels are those of `store_pixels`.

    Raises:
        OSError: If it cannot be written (disk full, read-only). Nothing is left behind then.
    """
    labels = image_set.labels
    stored = {
        "name": image_set.name,
        "source": image_set.source,
        "fingerprint": image_set.fingerprint,
        "shape": list(image_set.images.shape),
        "spots": _spot_check(image_set.images),
        "labels": None if labels is None else labels.tolist(),
        "classes": list(image_set.classes),
        "skipped": [[each.name, each.reason] for each in image_set.skipped],
        "notes": list(image_set.notes),
    }
    with unfinished_file(folder, _UNFINISHED) as (file, finish):
        file.write(json.dumps(stored).encode())
        finish(folder / f"{key}.json")


def store_pixels(
    folder: Path, shape: tuple[int, ...], blocks: Iterator[np.ndarray], labels: np.ndarray | None
) -> tuple[np.ndarray, str]:
    """Write the pixels of a set and map them.

    Args:
        folder: The cache; made if it is missing.
        shape: [N, C, R, R].
        blocks: The pixels in order, uint8 [n, C, R, R] each.
        labels: int64 [N] or None; part of the fingerprint, not of the file.

    Returns:
        The pixels, uint8 [N, C, R, R], mapped read-only; and the fingerprint, SHA-256 of shape,
        labels and pixels in hexadecimal.

    Raises:
        OSError: If they cannot be written (disk full, read-only). Nothing is left behind then.
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
    return np.load(folder / f"{fingerprint}.npy", mmap_mode="r", allow_pickle=False), fingerprint


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
