import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from adavit.runtime import memory
from adavit.runtime.memory import LOADED, free_bytes, peak_bytes, resident_bytes

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


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_the_peak_is_of_the_unit_that_the_system_has(
    system: str, unit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    peak = peak_bytes(CPU)
    assert peak is not None
    assert used <= peak <= 1.5 * used


def test_what_is_held_is_at_most_the_peak_where_nothing_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, which has no /proc."""
    held, peak = resident_bytes(), peak_bytes(CPU)
    assert peak is not None
    assert 0 < held <= 1.05 * peak
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "absent")
    assert peak <= resident_bytes() <= 1.05 * peak


def test_windows_tells_no_peak_and_what_is_held_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "absent")
    monkeypatch.setitem(sys.modules, "resource", None)  # whose import fails then, as there
    assert peak_bytes(CPU) is None
    assert resident_bytes() == LOADED


def test_what_is_estimated_is_about_what_torch_takes() -> None:
    code = (
        "from adavit.training.train import train; from adavit.runtime.memory import resident_bytes;"
        "print(resident_bytes())"
    )
    held = int(subprocess.run([sys.executable, "-c", code], stdout=-1, check=True).stdout)
    assert held / 2 < LOADED < 2 * held
