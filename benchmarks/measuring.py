"""What scripts measure with: clocks that wait for the device, the peak of memory, and the lines that say of what."""

import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was told; a CPU has done it always."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_bytes(work: Callable[[], Any], device: torch.device) -> int:
    """The highest balance of what torch's allocator takes and gives back while some work is done.

    On a CPU torch's profiler counts it, and prints lines of its own to the standard error.

    Args:
        work: Called once.
        device: Whose memory is meant.
    """
    if device.type == "cuda":
        synchronise(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        synchronise(device)
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(profile_memory=True) as profile:
        work()
    recorded: Any = profile.profiler
    held = peak = 0
    for event in recorded.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def print_header(device: torch.device, *settings: str) -> None:
    """Prints the command and the day, and what the figures below depend on.

    Args:
        device: Where it is measured.
        *settings: In words.
    """
    script, *arguments = sys.argv
    command = shlex.join(["python", f"benchmarks/{Path(script).name}", *arguments])
    print(f"{command}   ({time.strftime('%Y-%m-%d')})")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    threads = f"{torch.get_num_threads()} threads"
    print(", ".join([f"torch {torch.__version__}", name, threads, load(), *settings]))


def load() -> str:
    """How much work waits for this machine's cores: above 1 at the start, other work shares them."""
    return f"load {os.getloadavg()[0]:.2f}"
