import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import torch.distributed as dist

from adavit.errors import RunError, UserError
from adavit.runtime import rendezvous
from adavit.runtime.place import Place
from adavit.runtime.rendezvous import Absent, Peer, meet, sibling, store_of_all
from adavit.runtime.time_spans import process_began

TWO_MACHINES = Place(rank=1, size=4, local_rank=1, local_size=2)


@pytest.fixture(autouse=True)
def processes_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "process_began", lambda **_: time.monotonic())


def never() -> bool:
    return False


def test_all_that_come_know_one_another() -> None:
    store = dist.HashStore()
    known: dict[int, dict[int, Peer]] = {}

    def come(rank: int) -> None:
        time.sleep(0.05 * rank)
        known[rank] = meet(store, Place(rank, 3, rank, 3), patience_s=30, is_over=never)

    threads = [threading.Thread(target=come, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sorted(known[rank]) for rank in range(3)] == [[1, 2], [0, 2], [0, 1]]
    assert known[0][1].process == os.getpid()
    assert known[0][1].here


def test_another_machine_has_the_time_of_several_devices() -> None:
    assert rendezvous.ELSEWHERE_S == 15 * 60


def test_who_does_not_come_on_this_machine_is_given_up_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = dist.HashStore()
    with pytest.raises(Absent) as absent:
        meet(store, TWO_MACHINES, patience_s=0.1, is_over=never)
    assert absent.value.rank == 0
    store.set("who/0", '["elsewhere", 1]')
    monkeypatch.setattr(rendezvous, "ELSEWHERE_S", 0.5)
    with pytest.raises(Absent) as absent:
        meet(store, TWO_MACHINES, patience_s=0.1, is_over=never)
    assert absent.value.rank == 2
    assert absent.value.waited_s >= 0.5


def test_who_took_long_to_come_waits_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic() - 0.2
    monkeypatch.setattr(rendezvous, "process_began", lambda **_: began)
    with pytest.raises(Absent) as absent:
        meet(dist.HashStore(), TWO_MACHINES, patience_s=0.1, is_over=never)
    assert absent.value.waited_s >= 0.6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_who_took_minutes_to_come_waits_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: now(clock) + 70)
    monkeypatch.setattr(rendezvous, "process_began", process_began)
    end = time.monotonic() + 1
    waited_until = meet(
        dist.HashStore(),
        TWO_MACHINES,
        patience_s=0.1,
        is_over=lambda: time.monotonic() > end,
    )
    assert waited_until == {}


def test_nobody_is_waited_for_when_another_one_has_given_up() -> None:
    assert meet(dist.HashStore(), TWO_MACHINES, patience_s=30, is_over=lambda: True) == {}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_sibling_is_known_by_what_it_was_given() -> None:
    asks = (
        "from adavit.runtime.rendezvous import sibling; from adavit.runtime.place import Place;"
        " place = Place(0, 4, 0, 3);"
        " print(sibling(place, 1).process, sibling(place, 2), sibling(place, 0) is None)"
    )
    waiting = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        env={**os.environ, "RANK": "1", "SLURM_PROCID": "2"},
    )
    with waiting:
        told = subprocess.check_output([sys.executable, "-c", asks], text=True)
        waiting.communicate(b"\n")
    assert told.split() == [str(waiting.pid), "None", "True"]
    assert sibling(TWO_MACHINES, 0) is None


@pytest.mark.parametrize("missing", ["MASTER_ADDR", "MASTER_PORT"])
def test_without_a_place_to_meet_it_is_a_mistake(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.delenv(missing)
    with pytest.raises(UserError, match=r"MASTER_ADDR or MASTER_PORT is missing.*unset RANK"):
        store_of_all(Place(rank=1, size=2))


@pytest.fixture
def taken_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port of this machine that another program listens at, where the processes are to meet."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("MASTER_ADDR", "localhost")
        monkeypatch.setenv("MASTER_PORT", str(port))
        monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
        yield port


def free_port() -> int:
    with socket.create_server(("", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize("port", ["abc", "", "-1", "0", "65536", "29500.0"])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_port_that_is_none_is_a_mistake(
    taken_port: int, monkeypatch: pytest.MonkeyPatch, rank: int, port: str
) -> None:
    monkeypatch.setenv("MASTER_PORT", port)
    with pytest.raises(UserError, match=rf"^MASTER_PORT is '{port}', expected .* 1 to 65535"):
        store_of_all(Place(rank=rank, size=2))


def test_a_port_that_another_program_has_is_a_mistake(taken_port: int) -> None:
    told = (
        rf"^MASTER_PORT is {taken_port}, which this machine does not let rank 0 listen at"
        r" \(address already in use\), expected a free port.* Set MASTER_PORT to another one"
    )
    with pytest.raises(UserError, match=told):
        store_of_all(Place(rank=0, size=2))


@pytest.mark.parametrize(
    ("keeps_it", "whoever"),
    [("False", "rank 0 of 2"), ("True", "what started the processes of this run")],
)
def test_where_nobody_answers_the_run_has_failed(
    taken_port: int, monkeypatch: pytest.MonkeyPatch, keeps_it: str, whoever: str
) -> None:
    free = free_port()
    monkeypatch.setenv("MASTER_PORT", str(free))
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", keeps_it)
    monkeypatch.setattr(rendezvous, "ELSEWHERE_S", 1.0)
    with pytest.raises(RunError, match=rf"^{whoever} does not answer at localhost:{free} within 1"):
        store_of_all(Place(rank=1, size=2))


def test_rank_0_does_not_find_itself_at_the_address_of_another_machine(
    taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    monkeypatch.setenv("MASTER_ADDR", "0.0.0.1")
    monkeypatch.setattr(rendezvous, "ELSEWHERE_S", 1.0)
    with pytest.raises(RunError, match=r"^rank 0 of 2 does not answer at 0.0.0.1"):
        store_of_all(Place(rank=0, size=2))
