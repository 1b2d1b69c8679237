"""The CPU: what it multiplies with, how many threads calculate on how many cores, and who else does."""

import os
from collections.abc import Iterator

import torch

from adavit.doctor.finding import Finding
from adavit.runtime.control_groups import cpu_quota
from adavit.runtime.devices import CROWDED, has_bf16
from adavit.runtime.launch import cores
from adavit.runtime.processor import processor_here
from adavit.runtime.wording import counted


def examine_processor() -> Iterator[Finding]:
    """The processor, the threads on its cores, and the load."""
    yield _arithmetic()
    yield _threads()
    yield _load()


def _arithmetic() -> Finding:
    here = processor_here()
    facts = {"name": here.name, "bf16": list(here.bf16)}
    if not here.bf16:
        known = ", without bf16 arithmetic" if here.flags else ""
        found = f"{here.name}{known}: float32, the default, is right."
        return Finding("processor", "ok", found, "", facts)
    found = f"{here.name}, with {' and '.join(here.bf16)}"
    if has_bf16(torch.device("cpu")):
        remedy = "--precision float32 keeps a run from it."
        return Finding("processor", "ok", f"{found}: runs calculate in bf16.", remedy, facts)
    return Finding(
        "processor",
        "ok",
        f"{found}: float32 is the default.",
        "--precision bf16 may be faster; adavit train --dry-run measures each.",
        facts,
    )


def _threads() -> Finding:
    threads, mine, all_cores, quota = (
        torch.get_num_threads(),
        cores(),
        os.cpu_count() or 1,
        cpu_quota(),
    )
    facts = {"threads": threads, "cores": mine, "cores_of_machine": all_cores, "cpu_quota": quota}
    asked = os.environ.get("OMP_NUM_THREADS")
    found = f"{threads} of torch, for {counted(mine, 'core', 'cores')}" + (
        f" of the machine's {all_cores}" if mine < all_cores else ""
    )
    found += f"; OMP_NUM_THREADS is {asked}" if asked else ""
    found += f"; a control group allows {quota:g} cores" if quota is not None else ""
    if threads > mine:
        return Finding(
            "threads",
            "note",
            f"{found}. Threads beyond what may be used wait for each other at every operation.",
            f"Put OMP_NUM_THREADS={mine} before the command.",
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
