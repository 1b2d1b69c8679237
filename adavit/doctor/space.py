"""Room: memory, disk, and whether the folders may be written that a run writes to."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from adavit.doctor.finding import Finding, State
from adavit.errors import UserError
from adavit.metrics.extractors.weight_files import weights_folder
from adavit.runtime.cache_folder import cache_limit_bytes, default_cache_dir
from adavit.runtime.control_groups import memory_limit
from adavit.runtime.memory import free_bytes
from adavit.runtime.wording import size

RUNS = Path("runs")
LEAST_MEMORY, LITTLE_MEMORY = 700e6, 2e9
"""Bytes: less than the first and a small run ends, less than the second and a larger one may."""

LEAST_DISK, LITTLE_DISK = 100e6, 5e9
"""Likewise: what the run of the README leaves, and what a few runs at 256 px do."""


def examine_space() -> Iterator[Finding]:
    """Memory, the disk below the run folder, and the folders."""
    yield _memory()
    yield _disk()
    yield _folder(
        "runs folder",
        RUNS.absolute(),
        "problem",
        "Name another with --out, or go to a folder that may be written.",
    )
    try:
        cache_limit_bytes()
        cache = default_cache_dir()
    except UserError as error:
        yield Finding("cache", "problem", str(error))
    else:
        what = "Images are decoded anew at each start then. Set ADAVIT_CACHE to a folder that may be written."
        yield _folder("cache", cache, "note", what, "ADAVIT_CACHE")
    what = "Weights cannot be downloaded then. Set TORCH_HOME to a folder that may be written."
    yield _folder("weights folder", weights_folder(), "note", what, "TORCH_HOME")


def _memory() -> Finding:
    free, limit = free_bytes(torch.device("cpu")), memory_limit()
    facts = {"free_bytes": free, "limit_bytes": limit}
    if free is None:
        return Finding("memory", "ok", "This system does not tell it.", facts=facts)
    bound = "" if limit is None else f"; a control group allows {size(limit)}"
    state = _state(free, LEAST_MEMORY, LITTLE_MEMORY)
    remedy = (
        "Close other programs; a smaller --batch or --microbatch needs less. A run that the system kills for"
        " memory is listed as lost."
    )
    return Finding(
        "memory",
        state,
        f"{size(free)} to be had, swap included{bound}.",
        "" if state == "ok" else remedy,
        facts,
    )


def _disk() -> Finding:
    place = _nearest(RUNS.absolute())
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Finding("disk", "note", f"Room at {place} is not told ({error.strerror}).")
    state = _state(free, LEAST_DISK, LITTLE_DISK)
    remedy = "adavit runs prune --all --dry-run and adavit cache size show what can go."
    return Finding(
        "disk",
        state,
        f"{size(free)} free at {place}.",
        "" if state == "ok" else remedy,
        {"free_bytes": free, "path": str(place)},
    )


def _state(there: float, least: float, little: float) -> State:
    return "problem" if there < least else "note" if there < little else "ok"


def _folder(name: str, folder: Path, otherwise: State, remedy: str, moved_by: str = "") -> Finding:
    """Whether a folder, or the one that it would be made in, takes a file."""
    place, facts = _nearest(folder), {"path": str(folder)}
    made = "" if place == folder else ", which is made when it is needed"
    made += f" ({moved_by} moves it)" if moved_by else ""
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        found = f"{folder} cannot be written ({error.strerror})."
        return Finding(name, otherwise, found, remedy, {**facts, "writable": False})
    return Finding(name, "ok", f"{folder}{made}.", facts={**facts, "writable": True})


def _nearest(folder: Path) -> Path:
    """The folder itself, or the next around it that is there."""
    return next((path for path in (folder, *folder.parents) if os.path.lexists(path)), Path("/"))
