import multiprocessing
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.trial import Trial

from adavit.experiments.liveness import ClaimLost, Heartbeat, Silence, WorkerIdentity
from adavit.experiments.queue import Claim, Outcome, Queue
from adavit.runtime.signals import StopRequest
from tests.adavit.experiments.queue_processes import (
    open_queue,
    start,
    take_one_and_die,
)

JOBS = ["a", "b", "c"]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What queues count silence by."""
    made = Clock()
    monkeypatch.setattr("adavit.experiments.queue.Silence", partial(Silence, clock=made))
    return made


def queue_of_a_minute(folder: Path) -> Queue:
    """Signs of life are due every ten seconds; who gives none for sixty counts as dead."""
    return open_queue(folder, heartbeat_s=10, grace_s=60)


def take_over(queue: Queue, job: str, clock: Clock) -> Claim:
    """Looks every ten seconds until the job is free."""
    for _ in range(10):
        claim = queue.claim([job])
        if claim is not None:
            return claim
        clock.now += 10
    raise AssertionError("never free")


def test_the_job_of_a_silent_worker_is_taken_over_and_it_learns_of_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: False)
    queue = queue_of_a_minute(tmp_path)
    claim = queue.claim(["a"])
    assert claim is not None
    Trial(queue.study, claim.trial_id).suggest_float("x", 0, 1)
    assert queue.claim(["a"]) is None
    over = take_over(queue, "a", clock)
    assert clock.now == 70
    assert (over.attempts, over.deaths, over.last_worker) == (2, (None,), WorkerIdentity.own())
    params = [trial.params for trial in queue.study.get_trials()]
    assert params[0] == params[1] != {}
    assert not queue.holds(claim)
    with Heartbeat(lambda: queue.beat(claim), interval_s=0.05, grace_s=0.2) as heartbeat:
        time.sleep(0.3)
        with pytest.raises(ClaimLost):
            heartbeat.check()
    queue.finish(claim, 1.0)  # its late word does not count
    assert queue.outcomes(["a"]) == {}
    queue.fail(claim, "late")
    queue.finish(over, 2.0)
    assert queue.outcomes(["a"]) == {"a": Outcome("finished")}


@pytest.mark.parametrize("seconds_off", [-300, 0, 300])
def test_a_heartbeat_keeps_a_job_whatever_the_clock_of_its_machine_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds_off: int
) -> None:
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: False)
    other, worker = queue_of_a_minute(tmp_path), queue_of_a_minute(tmp_path)

    @sqlalchemy.event.listens_for(worker.storage.engine, "connect")
    def tell_another_time(connection: Any, record: Any) -> None:
        # SQLite's time is that of the machine on which a process runs.
        shifted = datetime.now(UTC) + timedelta(seconds=seconds_off)
        text = shifted.strftime("%Y-%m-%d %H:%M:%S")
        for name in ("current_timestamp", "datetime"):
            connection.create_function(name, -1, lambda *_: text)

    claim = worker.claim(["a"])
    assert claim is not None
    beaten = threading.Event()

    def beat() -> bool:
        held = worker.beat(claim)
        beaten.set()
        return held

    with Heartbeat(beat, interval_s=0.05, grace_s=60) as heartbeat:
        for _ in range(20):
            assert beaten.wait(timeout=60)
            beaten.clear()
            clock.now += 10
            assert other.claim(["a"]) is None
            heartbeat.check()
    worker.finish(claim, 1.0)
    assert other.outcomes(["a"]) == {"a": Outcome("finished")}


def test_a_database_that_cannot_be_reached_does_not_stop_the_work() -> None:
    calls = []

    def beat() -> bool:
        calls.append(1)
        raise StorageInternalError("the server is restarted")

    with Heartbeat(beat, interval_s=0.01, grace_s=0.05) as heartbeat:
        while len(calls) < 5:
            time.sleep(0.01)
            heartbeat.check()


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_a_worker_whose_parent_was_killed_asks_itself_to_stop(
    monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    """On Windows `os.kill` ends a process at once, whatever it handles."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(
        multiprocessing, "parent_process", lambda: SimpleNamespace(is_alive=lambda: False)
    )
    if system == "win32":
        monkeypatch.setattr(os, "kill", lambda *_: os._exit(1))
    beats = []
    with (
        StopRequest() as stop,
        Heartbeat(lambda: beats.append(1) is None, interval_s=0.01, grace_s=9),
    ):
        last = time.monotonic() + 30
        while not stop() and time.monotonic() < last:
            time.sleep(0.01)
        asked_after = len(beats)
        while len(beats) < asked_after + 3:
            time.sleep(0.01)  # it goes on to give signs of life
    assert stop.signal_number == signal.SIGTERM


def test_silence_is_counted_while_one_looks_and_ends_with_any_sign() -> None:
    clock = Clock()
    silence = Silence(grace_s=60, longest_look_s=10, clock=clock)
    signs = {"a": 1, "b": 1}
    heard = []
    for second in range(0, 100, 5):
        clock.now = second
        signs["b"] = second // 50  # once in fifty seconds is enough
        heard.append(silence.look(dict(signs)))
    assert heard[:13] == [set()] * 13  # up to 60 seconds
    assert heard[13:] == [{"a"}] * 7
    clock.now += 3600  # this machine slept, or worked, for an hour: b was not silent for one
    assert silence.look(signs) == {"a"}
    signs["a"] = 2
    clock.now += 5
    assert silence.look(signs) == set()
    assert silence.look({}) == set()  # forgotten
    clock.now += 5
    assert silence.look(signs) == set()


@pytest.mark.slow
def test_a_worker_killed_on_this_machine_is_missed_at_once(tmp_path: Path) -> None:
    process = start(take_one_and_die, tmp_path, JOBS)
    process.wait()
    started = time.monotonic()
    claim = open_queue(tmp_path, heartbeat_s=100, grace_s=1000).claim(JOBS)
    assert claim is not None
    assert (claim.job, claim.deaths) == ("a", (None,))
    assert claim.last_worker is not None
    assert claim.last_worker.pid == process.pid
    assert time.monotonic() - started < 10


def test_what_strangers_have_written_into_the_database_is_no_worker() -> None:
    own = WorkerIdentity.own()
    assert WorkerIdentity.from_dict(own.as_dict()) == own
    for value in (None, 3, "x", [], {}, {**own.as_dict(), "pid": "many"}):
        assert WorkerIdentity.from_dict(value) is None
    assert not own.is_known_dead()
    assert not WorkerIdentity("elsewhere", own.pid, "another boot", own.started).is_known_dead()


def test_a_process_number_that_was_given_again_is_not_the_worker() -> None:
    own = WorkerIdentity.own()
    if not own.place:
        pytest.skip("this system does not tell when a process began")
    assert WorkerIdentity(own.host, own.pid, own.place, "1").is_known_dead()
