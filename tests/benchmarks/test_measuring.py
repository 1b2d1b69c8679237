"""Peaks of memory, and the lines above the figures."""

import sys
import time

import pytest
import torch

from benchmarks.measuring import peak_bytes, print_header

CPU = torch.device("cpu")


def test_the_peak_is_what_was_held_at_the_same_time() -> None:
    def work() -> None:
        first = torch.empty(3000, dtype=torch.uint8)
        del first
        second, third = (torch.empty(size, dtype=torch.uint8) for size in (4000, 1000))
        del second, third

    assert peak_bytes(work, CPU) == 5000


def test_the_header_names_the_command_and_the_day(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/benchmarks/augment.py", "--names", "a b"])
    monkeypatch.setattr(time, "strftime", lambda _: "2026-01-31")
    monkeypatch.setattr("os.getloadavg", lambda: (0.516, 0.0, 0.0))
    print_header(CPU, "float32")
    assert capsys.readouterr().out.splitlines() == [
        "python benchmarks/augment.py --names 'a b'   (2026-01-31)",
        f"torch {torch.__version__}, cpu, {torch.get_num_threads()} threads, load 0.52, float32",
    ]
