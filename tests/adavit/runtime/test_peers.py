"""Processes of which one dies, freezes or fails: real ones, and what each of them says and returns."""

import os
import re
import signal
import threading
import time
from typing import Any

import pytest
import torch
import torch.distributed as dist

from adavit.errors import RunError, UserError
from adavit.runtime.peers import PATIENCE_AT_FIRST, PATIENCE_S, Peers
from adavit.runtime.place import Place
from adavit.runtime.process_group import ProcessGroup, process_group
from adavit.runtime.signals import Stopped
from adavit.runtime.world import OutOfReach
from tests.processes import Ended, in_group, launched

IMPATIENT_S = 2.0


def told(ended: list[Ended]) -> list[str]:
    """All lines of all processes, without what torch logs of a resolver that does not answer."""
    lines = [line for each in ended for line in each.errors.splitlines()]
    return [line for line in lines if "[c10d] The hostname of the client" not in line]


def goes_on(group: ProcessGroup) -> None:
    """As a run that others take part in; its checkpoint is good."""
    group.can_go_on("The last checkpoint is good")
    for _ in range(600):
        group.world.gather(torch.zeros(1))
        time.sleep(0.01)


def test_the_times_are_those_of_several_devices() -> None:
    assert (PATIENCE_S, PATIENCE_S * PATIENCE_AT_FIRST) == (25, 40)


def test_all_that_come_to_the_end_end_well() -> None:
    ended = in_group(3, lambda group: group.world.wait())
    assert [each.code for each in ended] == [0, 0, 0]
    assert told(ended) == []


@pytest.mark.parametrize("keeper", [True, False])
@pytest.mark.parametrize("lost", [1, 2])
def test_who_was_killed_is_named_once(lost: int, keeper: bool) -> None:
    def work(group: ProcessGroup) -> None:
        if group.world.rank == lost:
            os.kill(os.getpid(), signal.SIGKILL)
        goes_on(group)

    started = time.monotonic()
    ended = in_group(3, work, keeper=keeper)
    assert time.monotonic() - started < 20
    assert [each.code for each in ended] == [-9 if rank == lost else 1 for rank in range(3)]
    (line,) = told(ended)
    assert line.startswith(f"Error: rank {lost} of 3 (process {ended[lost].process} on ")
    assert line.endswith(
        ") was killed, perhaps since memory ran out, expected all of them to the end. The last checkpoint is good"
    )


@pytest.mark.parametrize("lost", [0, 1])
def test_who_is_frozen_is_named_once(lost: int) -> None:
    def work(group: ProcessGroup) -> None:
        if group.world.rank == lost:
            os.kill(os.getpid(), signal.SIGSTOP)
        goes_on(group)

    ended = in_group(2, work, patience_s=IMPATIENT_S)
    assert [each.code for each in ended] == [-9 if rank == lost else 1 for rank in range(2)]
    (line,) = told(ended)
    named = rf"Error: rank {lost} of 2 \(process {ended[lost].process} on .*\) has given no sign of life for \d s, "
    assert re.match(named, line)


def test_who_keeps_the_store_is_missed_when_frozen() -> None:
    def work(group: ProcessGroup) -> None:
        if group.world.rank == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        goes_on(group)

    ended = in_group(3, work, patience_s=IMPATIENT_S, keeper=False)
    assert [each.code for each in ended] == [-9, 1, 1]
    (line,) = told(ended)
    assert line.startswith(f"Error: rank 0 of 3 (process {ended[0].process} on ")


@pytest.mark.parametrize("keeper", [True, False])
def test_who_does_not_come_is_named_once(keeper: bool) -> None:
    def work() -> None:
        if os.environ["RANK"] == "1":
            time.sleep(6 * IMPATIENT_S)
            os._exit(9)
        with process_group(patience_s=IMPATIENT_S) as group:
            goes_on(group)

    ended = launched(3, work, keeper=keeper, limit_s=10 * IMPATIENT_S)
    assert [each.code for each in ended] == [1, 9, 1]
    (line,) = told(ended)
    assert re.match(r"Error: rank 1 of 3 has not come within \d s, expected all of them", line)


def test_who_works_on_something_else_for_long_is_waited_for() -> None:
    def work(group: ProcessGroup) -> None:
        if group.world.rank == 1:
            time.sleep(2 * IMPATIENT_S)
        group.world.wait()

    ended = in_group(2, work, patience_s=IMPATIENT_S)
    assert [each.code for each in ended] == [0, 0]
    assert told(ended) == []


def test_what_one_alone_finds_has_its_name() -> None:
    def work(group: ProcessGroup) -> None:
        if group.world.rank == 1:
            raise UserError("there are no images.")
        goes_on(group)

    ended = in_group(2, work)
    assert [each.code for each in ended] == [2, 2]
    (line,) = told(ended)
    assert line.startswith(f"Error: rank 1 of 2 (process {ended[1].process} on ")
    assert line.endswith("): there are no images.")


def test_what_who_keeps_the_store_finds_alone_is_told_once() -> None:
    def work(group: ProcessGroup) -> None:
        if group.world.rank == 0:
            raise UserError("there are no images.")
        goes_on(group)

    ended = in_group(3, work, keeper=False)
    assert [each.code for each in ended] == [2, 2, 2]
    (line,) = told(ended)
    assert line.endswith("there are no images.")


def test_memory_that_one_runs_out_of_has_its_name() -> None:
    def work(group: ProcessGroup) -> None:
        if group.world.rank == 1:
            raise MemoryError
        goes_on(group)

    ended = in_group(2, work)
    assert [each.code for each in ended] == [1, 1]
    (line,) = told(ended)
    assert re.match(r"Error: rank 1 of 2 \(.*\): out of memory\. ", line)


def test_what_all_find_is_told_by_the_first() -> None:
    def work(group: ProcessGroup) -> None:
        raise RunError("training diverged.")

    ended = in_group(3, work)
    assert [each.code for each in ended] == [1, 1, 1]
    assert told(ended) == ["Error: training diverged."]
    assert ended[0].errors


def test_a_stop_of_all_is_told_by_the_first() -> None:
    def work(group: ProcessGroup) -> None:
        raise Stopped(signal.SIGTERM)

    ended = in_group(2, work)
    assert [each.code for each in ended] == [143, 143]
    assert told(ended) == ["Stopped by SIGTERM."]


class _Store:
    """A store in this process, which notes the threads that ask it."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {"who/0": b'["elsewhere", 1]'}
        self.threads: set[int] = set()

    def set(self, key: str, value: str) -> None:
        self.threads.add(threading.get_ident())
        self.values[key] = value.encode()

    def get(self, key: str) -> bytes:
        self.threads.add(threading.get_ident())
        return self.values[key]

    def check(self, keys: list[str]) -> bool:
        self.threads.add(threading.get_ident())
        return all(key in self.values for key in keys)


def test_the_thread_that_looks_never_waits_for_a_store_that_may_be_frozen() -> None:
    store: Any = _Store()
    with Peers(store, Place(rank=1, size=2), patience_s=IMPATIENT_S) as peers:
        listener, looker = (thread.ident for thread in peers._threads)
        time.sleep(IMPATIENT_S / 2)
    assert listener in store.threads
    assert looker not in store.threads


class _LeavingStore(_Store):
    """Goes with who keeps it."""

    has_gone = False

    def check(self, keys: list[str]) -> bool:
        if self.has_gone:
            raise dist.DistNetworkError("Connection reset by peer")
        return super().check(keys)


def test_who_has_told_why_is_not_missed_when_the_store_goes_with_it() -> None:
    store: Any = _LeavingStore()
    with Peers(store, Place(rank=1, size=2), patience_s=IMPATIENT_S) as peers:
        store.values["ended"] = b"2"
        time.sleep(IMPATIENT_S / 4)  # a sign of life, with which that is heard
        store.has_gone = True
        ending = peers.ending(OutOfReach("Connection closed by peer"))
    assert isinstance(ending, SystemExit)
    assert ending.code == 2


class _SlowStore(_Store):
    """Answers a sign of life after several of its intervals, as one on a machine that has too much to do."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = threading.Event()

    def set(self, key: str, value: str) -> None:
        if key.startswith("beat"):
            self.is_asked.set()
            time.sleep(0.75 * IMPATIENT_S)
        super().set(key, value)


def test_no_thread_is_left_in_a_store_that_is_slow() -> None:
    store: Any = _SlowStore()
    with Peers(store, Place(rank=1, size=2), patience_s=IMPATIENT_S) as peers:
        assert store.is_asked.wait(IMPATIENT_S)
    assert not any(thread.is_alive() for thread in peers._threads)
    assert "left/1" in store.values  # what waits for this process sees that it has come to the end
