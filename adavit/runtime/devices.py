"""Choosing the device of a run, and readying the CPU."""

import contextlib
import ctypes
import os
import sys

import torch

from adavit.augment.devices import is_accelerator
from adavit.errors import UserError, first_line
from adavit.runtime.device_names import checked_device
from adavit.runtime.processor import FAST_BF16, processor_here

HIDING = "CUDA_VISIBLE_DEVICES"


def choose_device(name: str, *, flag: str = "--device") -> torch.device:
    """The device that `--device` names, ready for use.

    Args:
        name: One of `adavit.runtime.device_names.DEVICES`.
        flag: How the user gave it, for messages.

    Raises:
        UserError: If there is no such device, or it cannot be used.
    """
    checked_device(name, flag)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and (reason := why_no_cuda()):
        raise UserError(
            f"{flag} cuda cannot be used: {reason}. Expected a CUDA device that torch"
            f" {torch.__version__} can start. {_remedy(reason)}, or use {flag} cpu."
        )
    return torch.device(name)


def _remedy(reason: str) -> str:
    """What to do about what `why_no_cuda` says."""
    if "driver" in reason and "too old" in reason:
        return "Update its driver"
    if "not compiled" in reason:
        return "Install a build of torch that has CUDA (pytorch.org)"
    if HIDING in reason:
        return f"Set {HIDING} to devices that nvidia-smi lists, or unset it"
    return "See what nvidia-smi says of it"


def is_here(name: str) -> bool:
    """Whether the device that `--device` names can be used on this machine.

    Args:
        name: As for `choose_device`, which says why not.
    """
    return name != "cuda" or not why_no_cuda()


def why_no_cuda() -> str:
    """What torch says when CUDA is started, in a clause; empty where it runs."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:  # the latter without support for CUDA
        sentence, _, _ = first_line(error).partition(". ")
        hidden = os.environ.get(HIDING)
        environment = "" if hidden is None else f" ({HIDING} is {hidden!r})"
        return f"{sentence.rstrip('.')}{environment}"
    return ""


def has_bf16(device: torch.device) -> bool:
    """Whether a device has units for bfloat16 that train faster than float32.

    Of CUDA devices all from Ampere on; Turing and what came before it only emulate that. Of CPUs those of
    `FAST_BF16`, which oneDNN must be there to use.

    Args:
        device: Any; of others than these nothing is known, so False.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    with_library = device.type == "cpu" and torch.backends.mkldnn.is_available()
    return with_library and not set(FAST_BF16).isdisjoint(processor_here().bf16)


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


def release_freed_memory(device: torch.device) -> None:
    """Hands memory back that torch or glibc keep for the next step, where it was another that needed it.

    Args:
        device: Whose memory it is.
    """
    if is_accelerator(device):
        torch.get_device_module(device).empty_cache()
    elif sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # as above
            ctypes.CDLL(None).malloc_trim(0)
