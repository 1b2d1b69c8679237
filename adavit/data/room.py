"""Whether decoded images fit anywhere, told before minutes of decoding."""

import os
import shutil
from pathlib import Path

import torch

from adavit.errors import RunError
from adavit.runtime.memory import free_bytes
from adavit.runtime.resolution import Resolution
from adavit.runtime.wording import size

_DECODED_CHANNELS = 4
"""Images are RGBA until all of them are known; on a disk what is kept of them comes beside that."""


def writable(cache_dir: Path) -> Path | None:
    """The folder of the cache, made if it is missing; None if it cannot be written."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return cache_dir if os.access(cache_dir, os.W_OK | os.X_OK) else None


def check_room(images: int, resolution: Resolution, cache_dir: Path | None) -> None:
    """Refuses images that fit neither on the disk of the cache nor into the memory.

    Args:
        images: How many there are.
        resolution: Of each, once decoded.
        cache_dir: Where they are to be kept; None if it cannot be written, see `writable`.

    Raises:
        RunError: If they fit nowhere.
    """
    needed = images * resolution.area  # with one channel; more are found only while decoding
    memory = free_bytes(torch.device("cpu"))
    if memory is None or _DECODED_CHANNELS * needed <= memory:
        return
    disk = 0 if cache_dir is None else shutil.disk_usage(cache_dir).free
    on_disk = (_DECODED_CHANNELS + 1) * needed
    if on_disk <= disk:
        return
    kept = f"the disk of the cache {str(cache_dir)!r} has {size(disk)}"
    if cache_dir is None:
        kept = "the folder of the cache cannot be written"
    raise RunError(
        f"{images:,} images of {resolution.plain} px take at least {size(on_disk)} while they are decoded, but {kept}"
        f" and the memory has {size(memory)} free. Expected"
        " room on the disk; make some, or name another folder with ADAVIT_CACHE; in training a lower"
        " --resolution needs less."
    )
