import contextlib
import os
from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.runtime import processor
from adavit.runtime.devices import choose_device, crowding, has_bf16
from tests.processors import AMD_ZEN4, ARM, INTEL_AMX, INTEL_WITHOUT


@pytest.mark.parametrize(("cuda", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_cuda_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    assert choose_device("auto") == torch.device(expected)


TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by"
    " downloading and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
)


LISTED = "Set CUDA_VISIBLE_DEVICES to devices that nvidia-smi lists, or unset it"


@pytest.mark.parametrize(
    ("visible", "error", "said", "remedy"),
    [
        (
            None,
            RuntimeError(TOO_OLD),
            "system is too old (found version 11040). Expected",
            "Update its driver",
        ),
        (
            None,
            AssertionError("Torch not compiled with CUDA enabled"),
            "not compiled with CUDA",
            "Install a build of torch that has CUDA (pytorch.org)",
        ),
        (
            None,
            RuntimeError("No CUDA GPUs are available"),
            "No CUDA GPUs are available. Exp",
            "See what nvidia-smi says of it",
        ),
        (
            "",
            RuntimeError("No CUDA GPUs are available"),
            "(CUDA_VISIBLE_DEVICES is ''). Exp",
            LISTED,
        ),
        (
            "7",
            RuntimeError("No CUDA GPUs are available"),
            "(CUDA_VISIBLE_DEVICES is '7'). Exp",
            LISTED,
        ),
        ("0", RuntimeError(TOO_OLD), "(CUDA_VISIBLE_DEVICES is '0'). Exp", "Update its driver"),
    ],
)
def test_cuda_that_cannot_be_started_is_refused_in_one_line_that_says_why(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, error: Exception, said: str, remedy: str
) -> None:
    def init() -> None:
        raise error

    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    for name in ("cuda", "auto"):  # what auto takes must run too
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        with pytest.raises(UserError) as refused:
            choose_device(name)
        text = str(refused.value)
        assert said in text
        assert text.startswith("--device cuda cannot be used: ")
        assert text.endswith(f" {remedy}, or use --device cpu.")
        assert "\n" not in text


@pytest.mark.parametrize("native", [True, False])
def test_bf16_that_is_only_emulated_is_none(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    asked = []

    def supported(*, including_emulation: bool) -> bool:
        asked.append(including_emulation)
        return native

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    assert has_bf16(torch.device("cuda:1")) is native
    assert asked == [False]


@pytest.mark.parametrize(
    ("text", "library", "expected"),
    [
        (INTEL_AMX, True, True),
        (INTEL_AMX, False, False),
        (INTEL_WITHOUT, True, False),
        (AMD_ZEN4, True, True),
        (AMD_ZEN4, False, False),
        (ARM, True, False),
        ("", True, False),
    ],
)
def test_of_cpus_those_with_fast_units_have_bf16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, library: bool, expected: bool
) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: library)
    assert has_bf16(torch.device("cpu")) is expected
    assert not has_bf16(torch.device("mps"))
    assert not has_bf16(torch.device("meta"))


@pytest.mark.parametrize(
    ("load", "threads", "device", "told"),
    [
        (7.0, 2, "cpu", True),
        (2.0, 2, "cpu", False),
        (7.0, 1, "cpu", False),
        (7.0, 2, "cuda", False),
    ],
)
def test_a_crowded_processor_is_told(
    monkeypatch: pytest.MonkeyPatch, load: float, threads: int, device: str, told: bool
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    said = crowding(torch.device(device))
    assert bool(said) is told
    assert not told or "7 processes for 2 cores" in said


def test_a_load_that_cannot_be_told_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> None:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", unknown, raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert crowding(torch.device("cpu")) == ""
