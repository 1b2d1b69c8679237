import os

import pytest
import torch

from adavit.runtime.core_share import LOOKED_AT_S, CoreShare

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)


def steps(share: CoreShare, *, worked: float, seconds: float = LOOKED_AT_S) -> str | None:
    for _ in range(10):
        share.stepped(seconds / 10, worked * seconds / 10)
    return share.note()


def test_busy_cores_are_told_once_with_what_to_do() -> None:
    share = CoreShare(CPU, threads=2)
    said = steps(share, worked=0.2)
    assert said is not None
    for part in ("for 20% of the time", "2 threads", "OMP_NUM_THREADS=1", "other last bits"):
        assert part in said
    assert steps(share, worked=0.2) is None


def test_a_thread_that_has_its_core_says_nothing() -> None:
    share = CoreShare(CPU, threads=2)
    assert steps(share, worked=0.9) is None
    assert steps(share, worked=0.2) is not None  # of the steps since, not of all


def test_half_of_the_time_on_a_core_is_the_least_that_is_quiet() -> None:
    assert steps(CoreShare(CPU, threads=2), worked=0.51) is None
    assert steps(CoreShare(CPU, threads=2), worked=0.49) is not None


def test_nothing_is_said_of_a_moment() -> None:
    assert steps(CoreShare(CPU, threads=2), worked=0.0, seconds=LOOKED_AT_S / 2) is None


@pytest.mark.parametrize(("device", "threads"), [("cpu", 1), ("cuda", 8)])
def test_nothing_is_said_where_it_would_not_help(device: str, threads: int) -> None:
    assert steps(CoreShare(torch.device(device), threads), worked=0.0) is None


def test_what_was_said_before_the_first_step_is_not_said_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0.0, 0.0), raising=False)
    assert steps(CoreShare(CPU), worked=0.0) is None
