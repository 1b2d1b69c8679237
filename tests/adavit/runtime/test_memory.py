import os
import resource
from pathlib import Path

import pytest
import torch

from adavit.runtime import memory
from adavit.runtime.memory import free_bytes

CPU = torch.device("cpu")


def test_what_is_free_is_less_than_what_the_machine_has() -> None:
    free = free_bytes(CPU)
    assert free is not None
    swap = memory._kilobytes(Path("/proc/meminfo")).get("SwapTotal", 0) * 1024
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < free <= total + swap


def test_the_smallest_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text(
        "MemTotal: 9000 kB\nMemAvailable:   700 kB\nSwapFree: 50 kB\n"
    )
    (tmp_path / "status").write_text("Name:\tx\nVmSize:\t  100 kB\n")
    for name, file in (("_MEMINFO", "meminfo"), ("_STATUS", "status")):
        monkeypatch.setattr(memory, name, tmp_path / file)
    monkeypatch.setattr(memory, "memory_left", lambda: None)
    limit = [resource.RLIM_INFINITY]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit[0], limit[0]))
    assert free_bytes(CPU) == 750 * 1024
    limit[0] = 300 * 1024
    assert free_bytes(CPU) == 200 * 1024
    limit[0] = 50 * 1024
    assert free_bytes(CPU) == 0
    limit[0] = resource.RLIM_INFINITY
    monkeypatch.setattr(memory, "memory_left", lambda: 4096)
    assert free_bytes(CPU) == 4096


def test_an_accelerator_is_asked_by_its_own_module(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def told(device: torch.device) -> tuple[int, int]:
        asked.append(device)
        return 5, 7

    monkeypatch.setattr(torch.cuda, "mem_get_info", told)
    assert free_bytes(torch.device("cuda:1")) == 5
    assert asked == [torch.device("cuda:1")]


def test_a_system_that_says_nothing_is_not_guessed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_MEMINFO", "_STATUS"):
        monkeypatch.setattr(memory, name, tmp_path / "absent")
    monkeypatch.setattr(memory, "memory_left", lambda: None)
    infinite = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (infinite, infinite))
    assert free_bytes(CPU) is None
