"""Choosing the device of a run, and readying the CPU."""

import contextlib
import ctypes
import os
import sys

import torch

from adavit.errors import UserError


def is_accelerator(device: torch.device) -> bool:
    """Whether tensors there lie in a memory of its own, beside the host's, and kernels run apart from it.

    Args:
        device: Any; "meta", whose tensors lie nowhere, goes the ways of a CPU.
    """
    return device.type not in ("cpu", "meta")


def choose_device(name: str, *, flag: str = "--device") -> torch.device:
    """The device that `--device` names.

    Args:
        name: "auto" (cuda where there is one, else the CPU), "cpu", "cuda" or "mps".
        flag: How the user gave it, for messages.

    Raises:
        UserError: If this machine has no such device.
    """
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        found = ", ".join(device for device, there in available.items() if there)
        raise UserError(
            f"{flag} {name} is not available to torch {torch.__version__} on this machine,"
            f" expected one of: {found}. Use {flag} {found.split(', ')[-1]}, or install a torch"
            " that knows the device."
        )
    return torch.device(name)


CROWDED = 1.5
"""Processes that want to run per core, from which on threads that wait for each other waste most of their time."""


def crowding(device: torch.device) -> str:
    """What to say where other programs keep the cores busy; empty where they do not, or it cannot be told."""
    if is_accelerator(device) or torch.get_num_threads() == 1 or not hasattr(os, "getloadavg"):
        return ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with contextlib.suppress(OSError):
        wanted = os.getloadavg()[0]
        if cores and wanted > CROWDED * cores:
            return (
                f"Other programs keep this machine busy ({wanted:.0f} processes for {cores} cores);"
                " with OMP_NUM_THREADS=1 before the command it may be many times as fast."
            )
    return ""


def keep_freed_memory() -> None:
    """Asks glibc to keep what a training step frees for the next one; does nothing on other systems.

    By default it hands large blocks back to the system, and each step then pays for thousands of page
    faults: a generator pass takes a quarter less time without them. The process keeps the memory of its
    largest step, which it would need again at once.
    """
    if not sys.platform.startswith("linux"):
        return
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # names in malloc.h, M_...
    # Another C library (musl) has no mallopt.
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(mmap_threshold, 32 << 20)
        mallopt(top_pad, 256 << 20)
