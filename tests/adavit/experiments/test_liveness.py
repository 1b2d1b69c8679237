import time
from pathlib import Path

import pytest
from optuna.trial import Trial

from adavit.experiments.liveness import ClaimLost, Heartbeat, WorkerIdentity, holds
from adavit.experiments.queue import Outcome, Queue
from tests.adavit.experiments.queue_processes import (
    open_queue,
    start,
    take_one_and_die,
)

JOBS = ["a", "b", "c"]


def test_the_job_of_a_silent_worker_is_taken_over_and_it_learns_of_that(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: False)
    claim = queue.claim(["a"])
    assert claim is not None
    Trial(queue.study, claim.trial_id).suggest_float("x", 0, 1)
    assert queue.claim(["a"]) is None
    time.sleep(3.2)  # the grace of two seconds; the database counts whole ones
    over = queue.claim(["a"])
    assert over is not None
    assert (over.attempts, over.deaths, over.last_worker) == (2, 1, WorkerIdentity.own())
    params = [trial.params for trial in queue.study.get_trials()]
    assert params[0] == params[1] != {}
    assert not holds(queue.storage, claim.trial_id)
    with Heartbeat(queue.storage, claim.trial_id) as heartbeat:
        time.sleep(1.5)  # longer than the interval
        with pytest.raises(ClaimLost):
            heartbeat.check()
    queue.finish(claim, 1.0)  # its late word does not count
    assert queue.outcomes(["a"]) == {}
    queue.fail(claim, "late")
    queue.finish(over, 2.0)
    assert queue.outcomes(["a"]) == {"a": Outcome("finished")}


def test_a_heartbeat_keeps_a_job(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: False)
    claim = queue.claim(["a"])
    assert claim is not None
    with Heartbeat(queue.storage, claim.trial_id) as heartbeat:
        for _ in range(8):
            time.sleep(0.5)
            assert queue.claim(["a"]) is None
            heartbeat.check()


@pytest.mark.slow
def test_a_worker_killed_on_this_machine_is_missed_at_once(tmp_path: Path) -> None:
    process = start(take_one_and_die, tmp_path, JOBS)
    process.wait()
    started = time.monotonic()
    claim = open_queue(tmp_path, heartbeat_s=100, grace_s=1000).claim(JOBS)
    assert claim is not None
    assert (claim.job, claim.deaths) == ("a", 1)
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
