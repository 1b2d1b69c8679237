"""Decoded sets on disk: an .npy file named by its content, and a JSON named by source and settings.

Nothing here is unpickled. The pixels lie under the digest of their content and are complete before
the JSON that names them appears, so runs at the same time and runs that are killed cannot damage
each other's entries. A set of the same source and settings takes the place of the one before it.
"""

import hashlib
import io
import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adavit.data.digests import fingerprint_start, set_fingerprint
from adavit.data.files.formats import is_read
from adavit.data.files.members import Skipped
from adavit.data.files.resize import Box
from adavit.data.image_set import ImageSet
from adavit.runtime.cache_folder import DIGEST, make_own_folder, mark_used, trim
from adavit.runtime.files import unfinished_file

FORMAT_VERSION = 10
_FOLDER = "images"
_UNFINISHED = ".tmp-"
# What reading a file of anybody's making raises.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    RecursionError,
    OverflowError,
)


@dataclass(frozen=True)
class CachedSet:
    """What lies in the cache for one source and one choice of settings.

    Attributes:
        source: The folder, zip or name.
        shape: [N, C, H, W].
        fingerprint: Digest of pixels and labels; equal where two choices of settings came to the same images.
        size_bytes: Of its pixels on disk; sets of equal content share them.
        last_used: When it was loaded last, in seconds since 1970.
        description: The JSON that names it.
    """

    source: str
    shape: tuple[int, ...]
    fingerprint: str
    size_bytes: int
    last_used: float
    description: Path


def load(cache_dir: Path, key: str, identity: str) -> ImageSet | None:
    """Find a set.

    Args:
        cache_dir: The cache.
        key: Digest of source and settings.
        identity: Digest of what the source holds now.

    Returns:
        The set; None if there is none, its source has changed, a format that was left out is read by
        now, or one byte of it is not what was stored (all are read: about a second for 2 GB).
    """
    folder = cache_dir / _FOLDER
    try:
        stored = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        if stored.pop("digest") != _digest_of(stored) or stored["identity"] != identity:
            return None
        if any(is_read(str(name)) for name in stored.get("not_read", ())):
            return None
        fingerprint = str(stored["fingerprint"])
        shape = tuple(int(size) for size in stored["shape"])
        path = folder / f"{os.path.basename(fingerprint)}.npy"
        images = np.load(path, mmap_mode="r", allow_pickle=False)
        is_whole = path.stat().st_size == len(_npy_header(shape)) + images.size
        if not is_whole or images.dtype != np.uint8 or images.shape != shape:
            return None
        labels = stored["labels"]
        indices = None if labels is None else np.asarray(labels, dtype=np.int64)
        if indices is not None and indices.shape != (len(images),):
            return None
        if set_fingerprint(images, indices) != fingerprint:
            return None
        mark_used(path)
        return ImageSet(
            name=str(stored["name"]),
            images=images,
            labels=indices,
            classes=tuple(str(name) for name in stored["classes"]),
            fingerprint=fingerprint,
            skipped=tuple(Skipped(str(name), str(why)) for name, why in stored["skipped"]),
            source=str(stored["source"]),
            notes=tuple(str(note) for note in stored["notes"]),
            names=tuple(str(name) for name in stored["names"]),
            files=tuple(int(index) for index in stored.get("files", ())),
            stretch=None if "stretch" not in stored else float(stored["stretch"]),
            inside=tuple(
                None if each is None else Box(*map(int, each)) for each in stored.get("inside", ())
            ),
            discriminator_saw=tuple(map(str, stored["seen"])) if "seen" in stored else None,
        )
    except _DAMAGE:
        return None


def store(
    cache_dir: Path,
    key: str,
    identity: str,
    image_set: ImageSet,
    not_read: Collection[str] = (),
) -> None:
    """Write what a set is besides its pixels, from when on `load` finds it, in place of an earlier one.

    Args:
        cache_dir: The cache.
        key: Digest of source and settings.
        identity: Digest of what the source holds.
        image_set: The set; its pixels are those of `store_pixels`.
        not_read: Formats of images that it lacks until their packages are installed, by Pillow's names.

    Raises:
        OSError: If it cannot be written (disk full, read-only). Nothing is left behind then.
    """
    folder = cache_dir / _FOLDER
    labels, inside, seen = image_set.labels, image_set.inside, image_set.discriminator_saw
    stored = {
        "name": image_set.name,
        "source": image_set.source,
        "identity": identity,
        "fingerprint": image_set.fingerprint,
        "shape": list(image_set.images.shape),
        "labels": None if labels is None else labels.tolist(),
        "classes": list(image_set.classes),
        "skipped": [[each.name, each.reason] for each in image_set.skipped],
        "notes": list(image_set.notes),
        "names": list(image_set.names),
        **({"files": list(image_set.files)} if image_set.files else {}),
        **({} if image_set.stretch is None else {"stretch": image_set.stretch}),
        **({"inside": [box and astuple(box) for box in inside]} if any(inside) else {}),
        **({} if seen is None else {"seen": list(seen)}),
        **({"not_read": sorted(not_read)} if not_read else {}),
    }
    with unfinished_file(folder, _UNFINISHED) as (file, finish):
        file.write(json.dumps({**stored, "digest": _digest_of(stored)}).encode())
        finish(folder / f"{key}.json")
    mark_used(folder / f"{image_set.fingerprint}.npy")
    trim(cache_dir)
    _remove_unnamed(folder)


def store_pixels(
    cache_dir: Path, shape: tuple[int, ...], blocks: Iterator[np.ndarray], labels: np.ndarray | None
) -> tuple[np.ndarray, str]:
    """Write the pixels of a set and map them.

    Args:
        cache_dir: The cache; made if it is missing.
        shape: [N, C, H, W].
        blocks: The pixels in order, uint8 [n, C, R, R] each.
        labels: int64 [N] or None; part of the fingerprint, not of the file.

    Returns:
        The pixels, uint8 [N, C, R, R], mapped read-only; and the fingerprint, SHA-256 of shape,
        labels and pixels in hexadecimal.

    Raises:
        OSError: If they cannot be written (disk full, read-only). Nothing is left behind then.
    """
    folder = cache_dir / _FOLDER
    make_own_folder(folder)
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


def _digest_of(description: dict[str, Any]) -> str:
    """Of all that a description says but this: classes and notes are in no other digest."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def _npy_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
    )
    return header.getvalue()


def cached_sets(cache_dir: Path) -> list[CachedSet]:
    """What the cache holds, the least recently used first; entries that are damaged are left out."""
    found = []
    for description in (cache_dir / _FOLDER).glob(f"{DIGEST}.json"):
        try:
            stored = json.loads(description.read_text(encoding="utf-8"))
            status = _pixels_of(description, stored).stat()
            shape = tuple(int(size) for size in stored["shape"])
            source, fingerprint = str(stored["source"]), str(stored["fingerprint"])
        except _DAMAGE:
            continue
        size, used = status.st_size, status.st_mtime
        found.append(CachedSet(source, shape, fingerprint, size, used, description))
    return sorted(found, key=lambda each: (each.last_used, each.source))


def forget(cache_dir: Path, sets: Iterable[CachedSet]) -> None:
    """Remove sets, with the pixels that no other one shares."""
    for each in sets:
        with suppress(OSError):
            each.description.unlink(missing_ok=True)
    _remove_unnamed(cache_dir / _FOLDER)


def _pixels_of(description: Path, stored: dict[str, Any]) -> Path:
    return description.parent / f"{os.path.basename(str(stored['fingerprint']))}.npy"


def _remove_unnamed(folder: Path) -> None:
    """Remove pixels that no description names, and descriptions whose pixels are gone; no files of others.

    Another process that has just written pixels and not yet their description finds them gone the
    next time and writes them again; the ones it works with stay mapped.
    """
    named = set()
    for description in folder.glob(f"{DIGEST}.json"):
        try:
            pixels = _pixels_of(description, json.loads(description.read_text(encoding="utf-8")))
        except _DAMAGE:
            pixels = None
        if pixels is not None and pixels.exists():
            named.add(pixels)
        else:
            with suppress(OSError):
                description.unlink()
    for pixels in folder.glob(f"{DIGEST}.npy"):
        if pixels not in named:
            with suppress(OSError):
                pixels.unlink()
