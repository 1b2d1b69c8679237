import os

import pytest
import torch

from adavit.errors import UserError
from adavit.runtime.devices import choose_device, crowding, is_accelerator


@pytest.mark.parametrize(("cuda", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_cuda_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert choose_device("auto") == torch.device(expected)


def test_a_device_that_is_not_there_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"--device cuda is not available.*one of: cpu\. Use --d"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("device", "accelerator"),
    [("cpu", False), ("meta", False), ("cuda", True), ("cuda:1", True), ("xpu", True)],
)
def test_what_has_no_memory_of_its_own_is_no_accelerator(device: str, accelerator: bool) -> None:
    assert is_accelerator(torch.device(device)) is accelerator


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
