"""How much memory there is to have: on the machine, within the limits of the process, or on an accelerator."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from adavit.augment.devices import is_accelerator
from adavit.runtime.control_groups import memory_left

_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")

LOADED = 600_000_000
"""Bytes that a process holds with torch and its libraries loaded and before it trains, about."""


def free_bytes(device: torch.device) -> int | None:
    """What a process can still get, at the most.

    Args:
        device: An accelerator, or the CPU, whose memory is the machine's and its swap.

    Returns:
        Bytes; None where the system does not say.
    """
    if is_accelerator(device):
        free: int = torch.get_device_module(device).mem_get_info(device)[0]
        return free
    return min(_limits(), default=None)


def total_bytes(device: torch.device) -> int:
    """All the memory that an accelerator has, in bytes.

    Args:
        device: An accelerator.
    """
    total: int = torch.get_device_module(device).mem_get_info(device)[1]
    return total


def peak_bytes(device: torch.device) -> int | None:
    """The most that this process has held so far.

    Args:
        device: An accelerator, whose tensors count; or the CPU, where all that the process has held does.

    Returns:
        Bytes; None where the system does not say.
    """
    if is_accelerator(device):
        most: int = torch.get_device_module(device).max_memory_allocated(device)
        return most
    try:
        import resource
    except ImportError:  # on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def resident_bytes() -> int:
    """What this process holds of the memory of the machine.

    Where the system does not say (macOS), it is what the process has held at most, and `LOADED` where not even that is
    known (Windows).
    """
    told = _kilobytes(_STATUS).get("VmRSS")
    if told is not None:
        return 1024 * told
    peak = peak_bytes(torch.device("cpu"))
    return LOADED if peak is None else peak


def _limits() -> Iterator[int]:
    meminfo = _kilobytes(_MEMINFO)
    if "MemAvailable" in meminfo:
        yield 1024 * (meminfo["MemAvailable"] + meminfo.get("SwapFree", 0))
    left = memory_left()
    if left is not None:
        yield left
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            yield max(0, limit - 1024 * _kilobytes(_STATUS).get("VmSize", 0))


def _kilobytes(path: Path) -> dict[str, int]:
    """The lines `Name:  123 kB` of a file of the system; none if it is not there."""
    found = {}
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            name, _, rest = line.partition(":")
            number, _, unit = rest.strip().partition(" ")
            if unit == "kB" and number.isdigit():
                found[name] = int(number)
    return found
