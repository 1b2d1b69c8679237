import os
from pathlib import Path

import pytest
import torch

from adavit.doctor import processor
from adavit.doctor.finding import Finding
from adavit.doctor.processor import examine_processor
from adavit.runtime import processor as runtime_processor
from tests.processors import AMD_ZEN4, ARM, INTEL_AMX, INTEL_WITHOUT


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four cores of eight, four threads, nobody else, an unknown processor."""
    monkeypatch.setattr(runtime_processor, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(processor, "cores", lambda: 4)
    monkeypatch.setattr(processor, "cpu_quota", lambda: None)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.2, 9, 9), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path


def found(name: str) -> Finding:
    (finding,) = (each for each in examine_processor() if each.name == name)
    return finding


@pytest.mark.parametrize(
    ("text", "name", "units"),
    [
        (INTEL_AMX, "Intel(R) Xeon(R) Platinum 8488C", ["AMX", "AVX-512 BF16"]),
        (AMD_ZEN4, "AMD EPYC 9654 96-Core Processor", ["AVX-512 BF16"]),
    ],
)
def test_runs_calculate_in_bf16_with_fast_units(
    machine: Path, text: str, name: str, units: list[str]
) -> None:
    (machine / "cpuinfo").write_text(text)
    told = found("processor")
    in_words = " and ".join(units)
    assert told.state == "ok"
    assert told.found == f"{name}, with {in_words}: runs calculate in bf16."
    assert told.remedy == "--precision float32 keeps a run from it."
    assert told.facts["bf16"] == units


def test_other_arithmetic_in_bf16_is_told_and_not_taken(machine: Path) -> None:
    (machine / "cpuinfo").write_text(ARM)
    told = found("processor")
    assert told.state == "ok"
    assert told.found.endswith(", with BF16: float32 is the default.")
    assert told.remedy.startswith("--precision bf16 may be faster")


def test_without_it_float32_is_right(machine: Path) -> None:
    (machine / "cpuinfo").write_text(INTEL_WITHOUT)
    assert found("processor").found.endswith(
        "2.90GHz, without bf16 arithmetic: float32, the default, is right."
    )
    (machine / "cpuinfo").unlink()
    assert "without bf16" not in found("processor").found  # nobody knows


def test_threads_on_cores() -> None:
    told = found("threads")
    assert (told.state, told.found) == ("ok", "4 of torch, for 4 cores of the machine's 8.")


@pytest.mark.parametrize(("quota", "advised"), [(1.5, 1), (0.3, 1), (2.0, 2)])
def test_more_threads_than_a_control_group_allows_wait(
    monkeypatch: pytest.MonkeyPatch, quota: float, advised: int
) -> None:
    monkeypatch.setattr(processor, "cpu_quota", lambda: quota)
    monkeypatch.setattr(processor, "cores", lambda: advised)
    told = found("threads")
    assert told.state == "note"
    assert f"a control group allows {quota:g} cores" in told.found
    assert told.remedy == f"Put OMP_NUM_THREADS={advised} before the command."
    monkeypatch.setattr(torch, "get_num_threads", lambda: advised)
    monkeypatch.setenv("OMP_NUM_THREADS", str(advised))
    assert (found("threads").state, f"OMP_NUM_THREADS is {advised}" in found("threads").found) == (
        "ok",
        True,
    )


def test_other_programs_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("load").state == "ok"
    monkeypatch.setattr(os, "getloadavg", lambda: (6.4, 0, 0))
    busy = found("load")
    assert (busy.state, busy.facts) == ("note", {"load": 6.4})
    assert busy.found == "6.4 processes wanted to run in the last minute, on 4 cores."
    assert busy.remedy.startswith("OMP_NUM_THREADS=1 adavit train")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert "OMP_NUM_THREADS" not in found("load").remedy


def test_a_system_that_does_not_tell_its_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getloadavg")
    assert found("load").state == "ok"
