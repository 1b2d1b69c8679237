import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from adavit.doctor import cards
from adavit.doctor.cards import examine_cards

GB = 10**9


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(cards, "DRIVEN", str(tmp_path / "nvidia[0-9]*"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(cards, "why_no_cuda", lambda: "Found no NVIDIA driver")
    return tmp_path


def test_without_a_card_it_is_said_what_that_means(
    no_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    (found,) = examine_cards()
    assert (found.name, found.state, found.remedy) == ("devices", "note", "")
    assert "No CUDA device: Found no NVIDIA driver. Training runs on the CPU" in found.found
    assert found.facts == {"cuda": []}


def test_a_card_that_torch_cannot_use_has_a_remedy(
    no_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        (no_files / f"nvidia{number}").touch()
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    (found,) = examine_cards()
    assert found.state == "note"
    assert "2 NVIDIA cards are in this machine" in found.found
    assert "this torch is built without CUDA" in found.found
    assert "Install torch anew as pytorch.org says for CUDA" in found.remedy
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    (found,) = examine_cards()
    assert "https://pytorch.org" in found.remedy
    assert "or a driver for CUDA 13.2" in found.remedy


def test_a_card_is_known_by_its_drivers_program_where_it_has_no_file(
    no_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where what pip installs is built for the CPU."""
    monkeypatch.setattr(shutil, "which", {"nvidia-smi": "nvidia-smi.exe"}.get)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    (found,) = examine_cards()
    assert found.found.startswith("A driver of NVIDIA is on this machine, but torch can use none")
    assert "this torch is built without CUDA" in found.found
    assert "Install torch anew as pytorch.org says for CUDA" in found.remedy


def with_cards(monkeypatch: pytest.MonkeyPatch, free: int, *, broken: tuple[int, ...] = ()) -> None:
    def ones(*sizes: int, device: torch.device) -> torch.Tensor:
        if device.index in broken:
            raise RuntimeError("CUDA error: no kernel image\nmore")
        return torch.zeros(*sizes)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80 * GB))
    monkeypatch.setattr(cards, "has_bf16", lambda device: device.index == 0)
    properties = SimpleNamespace(name="NVIDIA H100", major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(cards.torch, "ones", ones)


def test_each_card_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cards(monkeypatch, 79 * GB)
    first, second = examine_cards()
    assert (first.name, first.state, second.name) == ("cuda:0", "ok", "cuda:1")
    assert first.found == (
        "NVIDIA H100, capability 9.0, 80 GB, of which 79 GB are free; bf16 by itself."
    )
    assert "no bf16 of its own, so float32 is used" in second.found
    assert first.facts["memory_bytes"] == 80 * GB


def test_memory_that_others_hold_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cards(monkeypatch, 10 * GB)
    first, _ = examine_cards()
    assert (first.state, "nvidia-smi" in first.remedy) == ("note", True)


CANNOT = "It cannot calculate: CUDA error: no kernel image."


def test_the_first_card_is_a_problem_where_it_cannot_calculate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_cards(monkeypatch, 79 * GB, broken=(0,))
    first, second = examine_cards()
    assert (first.state, first.found) == ("problem", CANNOT)
    assert "hide it with CUDA_VISIBLE_DEVICES, or train with --device cpu" in first.remedy
    assert second.state == "ok"


def test_another_card_that_cannot_calculate_prevents_no_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_cards(monkeypatch, 79 * GB, broken=(1,))
    first, second = examine_cards()
    assert (first.state, second.state) == ("ok", "note")
    assert second.found == f"{CANNOT} A run on one card takes cuda:0."
    assert "hide it with CUDA_VISIBLE_DEVICES" in second.remedy
