"""The CPU: what it multiplies with, how many threads calculate on how many cores, and who else does."""

import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

from adavit.doctor.finding import Finding
from adavit.runtime.control_groups import cpu_quota
from adavit.runtime.devices import CROWDED
from adavit.runtime.launch import cores
from adavit.runtime.wording import counted

CPUINFO = Path("/proc/cpuinfo")
BF16_FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16", "bf16": "BF16"}
"""What multiplies in bfloat16, by its name among the flags of x86 and ARM."""


def examine_processor() -> Iterator[Finding]:
    """The processor, the threads on its cores, and the load."""
    yield _arithmetic()
    yield _threads()
    yield _load()


def _arithmetic() -> Finding:
    name, flags = _described()
    fast = [word for flag, word in BF16_FLAGS.items() if flag in flags]
    facts = {"name": name, "bf16": fast}
    if fast:
        return Finding(
            "processor",
            "ok",
            f"{name}, with {' and '.join(fast)}.",
            "--precision bf16 may be up to 1.4 times as fast; adavit train --dry-run measures both.",
            facts,
        )
    known = ", without bf16 arithmetic" if flags else ""
    return Finding("processor", "ok", f"{name}{known}: float32, the default, is right.", "", facts)


def _described() -> tuple[str, set[str]]:
    """Name of the processor and its flags; what the system does not say is guessed, or empty."""
    name, flags = platform.processor() or platform.machine() or "unknown processor", set[str]()
    try:
        lines = CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        return name, flags
    for line in lines:
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "model name":
            name = " ".join(value.split())
        if key in ("flags", "Features"):
            flags = set(value.split())
            break
    return name, flags


def _threads() -> Finding:
    threads, mine, all_cores, quota = (
        torch.get_num_threads(),
        cores(),
        os.cpu_count() or 1,
        cpu_quota(),
    )
    facts = {"threads": threads, "cores": mine, "cores_of_machine": all_cores, "cpu_quota": quota}
    asked = os.environ.get("OMP_NUM_THREADS")
    found = f"{threads} of torch, for {mine} cores" + (
        f" of the machine's {all_cores}" if mine < all_cores else ""
    )
    found += f"; OMP_NUM_THREADS is {asked}" if asked else ""
    found += f"; a control group allows {quota:g} cores" if quota is not None else ""
    usable = mine if quota is None else min(mine, max(1, math.floor(quota)))
    if threads > usable:
        return Finding(
            "threads",
            "note",
            f"{found}. Threads beyond what may be used wait for each other at every operation.",
            f"Put OMP_NUM_THREADS={usable} before the command.",
            facts,
        )
    return Finding("threads", "ok", f"{found}.", facts=facts)


def _load() -> Finding:
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows
        return Finding("load", "ok", "This system does not tell it.")
    here, facts = cores(), {"load": round(load, 2)}
    found = f"{load:.1f} processes wanted to run in the last minute, on {counted(here, 'core', 'cores')}."
    if load <= CROWDED * here:
        return Finding("load", "ok", found, facts=facts)
    remedy = "With one thread nothing waits; it will be faster when other programs are done."
    if torch.get_num_threads() > 1:
        remedy = "OMP_NUM_THREADS=1 adavit train ... can be many times as fast: threads wait for each other here."
    return Finding("load", "note", found, remedy, facts)
