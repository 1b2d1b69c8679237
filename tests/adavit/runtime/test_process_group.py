"""Processes that join: whether they are alike, and in which order they work."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from adavit.errors import UserError
from adavit.runtime import process_group as module
from adavit.runtime.place import Place
from adavit.runtime.process_group import ProcessGroup, process_group
from adavit.runtime.world import Alone, World
from tests.processes import in_group, launched, together


def test_nobody_else_is_there_for_a_process_alone() -> None:
    with process_group() as group:
        assert group.leads
        assert group.world.size == 1
        group.agree({"adavit": "1"})
        assert group.in_turn(lambda: 5) == 5


def disagreement(facts: list[dict[str, object]]) -> list[str]:
    """What each process is told where they know these facts."""

    def agree(world: World) -> str:
        try:
            ProcessGroup(world, Place(world.rank, world.size)).agree(facts[world.rank])
        except UserError as error:
            return str(error)
        return ""

    return together(len(facts), agree)


def test_processes_that_know_the_same_agree() -> None:
    same: dict[str, object] = {"adavit": "1.0", "training.batch": 16, "p": None}
    assert disagreement([same, dict(same)]) == ["", ""]


def test_all_that_differ_are_named_in_one_error() -> None:
    first = {"adavit": "1.0", "training.batch": 16}
    other = {"adavit": "1.1", "training.batch": 16}
    told = disagreement([first, other, {**first, "training.batch": 8}, other])
    assert len(set(told)) == 1
    assert told[0] == (
        "the 4 processes of this run are not alike: ranks 1 and 3 have adavit '1.1', rank 0 '1.0'; rank 2 has"
        " training.batch 8, rank 0 16. Expected one version, one configuration and the same images on all"
        " machines. Mend that, and start again."
    )


def test_values_that_only_differ_where_a_message_cuts_them_differ() -> None:
    long = "x" * 500
    assert "images" in disagreement([{"images": f"{long}a{long}"}, {"images": f"{long}b{long}"}])[0]


def test_the_first_of_each_machine_works_before_the_others(tmp_path: Path) -> None:
    def work(group: ProcessGroup) -> None:
        rank = group.world.rank
        if rank in (0, 2):  # two machines of two processes
            time.sleep(0.3)
        group.in_turn(lambda: (tmp_path / f"{rank}").write_text(str(time.monotonic_ns())))

    ended = in_group(4, work, local_size=2)
    assert [each.errors for each in ended] == ["", "", "", ""]
    at = [int((tmp_path / str(rank)).read_text()) for rank in range(4)]
    assert max(at[0], at[2]) < min(at[1], at[3])


def test_versions_are_compared_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class OfRank(str):
        """A version of its own on each machine."""

        __slots__ = ()

    monkeypatch.setattr(module, "__version__", OfRank("1.0"))

    def work(group: ProcessGroup) -> None:
        (tmp_path / "trained").touch()

    real = module.Place.here

    def here() -> Place:
        place = real()
        if place.rank == 1:
            monkeypatch.setattr(module, "__version__", "0.9")
        return place

    monkeypatch.setattr(module.Place, "here", here)
    ended = in_group(2, work)
    assert [each.code for each in ended] == [2, 2]
    assert ended[0].errors.startswith(
        "Error: the 2 processes of this run are not alike: rank 1 has adavit '0.9', rank 0 '1.0'."
    )
    assert ended[1].errors == ""
    assert not (tmp_path / "trained").exists()


def test_a_cuda_device_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    group = ProcessGroup(Alone(), Place(rank=2, size=3, local_rank=2, local_size=3))
    group.take_device(torch.device("cpu"))
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS", raising=False)
    with pytest.raises(UserError) as error:
        group.take_device(torch.device("cuda"))
    assert str(error.value) == (
        "2 CUDA devices can be seen here, for 3 processes, expected one for each. Start fewer, or use --device cpu."
    )
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "3")
    with pytest.raises(UserError, match="Give srun --gpus-per-node in place of --gpus-per-task"):
        group.take_device(torch.device("cuda"))
    ProcessGroup(Alone(), Place(1, 3, 1, 3)).take_device(torch.device("cuda"))


def test_whose_device_it_is_is_noted_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(module, "total_bytes", lambda device: 8 * 10**9)
    peers: Any = SimpleNamespace(device="")
    group = ProcessGroup(Alone(), Place(1, 2, 1, 2), peers)
    group.take_device(torch.device("cpu"))
    assert peers.device == ""  # the machine's memory is no process's own
    group.take_device(torch.device("cuda"))
    assert peers.device == "cuda:1 of 8 GB"


def test_processes_meet_again_and_again_where_one_of_them_keeps_the_store() -> None:
    def work() -> None:
        for _ in range(6):
            with process_group() as group:
                group.world.wait()

    ended = launched(2, work, keeper=False)
    assert [each.code for each in ended] == [0, 0]
    assert [each.errors for each in ended] == ["", ""]
