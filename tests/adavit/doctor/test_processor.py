import os
from pathlib import Path

import pytest
import torch

from adavit.doctor import processor
from adavit.doctor.finding import Finding
from adavit.doctor.processor import examine_processor


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four cores of eight, four threads, nobody else, an unknown processor."""
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
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
    ("flags", "words"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16 amx_bf16 amx_tile", "with AMX and AVX-512 BF16"),
        ("Features\t: fp asimd bf16", "with BF16"),
    ],
)
def test_arithmetic_in_bf16_is_found(machine: Path, flags: str, words: str) -> None:
    text = f"processor\t: 0\nmodel name\t: A  Processor\n{flags}\n\nprocessor\t: 1\nflags\t: none\n"
    (machine / "cpuinfo").write_text(text)
    told = found("processor")
    assert (told.state, told.found) == ("ok", f"A Processor, {words}.")
    assert "--precision bf16" in told.remedy


def test_without_it_float32_is_right(machine: Path) -> None:
    (machine / "cpuinfo").write_text("model name\t: Old\nflags\t: fpu avx2\n")
    assert (
        found("processor").found == "Old, without bf16 arithmetic: float32, the default, is right."
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
