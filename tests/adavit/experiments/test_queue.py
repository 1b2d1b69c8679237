import sqlite3
import time
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import Trial, TrialState, create_trial

from adavit.errors import UserError
from adavit.experiments.database import open_storage
from adavit.experiments.liveness import ClaimLost, Heartbeat, WorkerIdentity, holds
from adavit.experiments.queue import JOB, Outcome, Queue
from tests.adavit.experiments.queue_processes import (
    logs,
    open_queue,
    start,
    take_all,
    take_one_and_die,
)

JOBS = ["a", "b", "c"]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return open_queue(tmp_path)


def enter_twice(queue: Queue, job: str) -> None:
    """What two workers do that find a job missing at the same moment."""
    for _ in range(2):
        queue.study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={JOB: job}))


def test_jobs_are_taken_in_order_and_each_once(queue: Queue) -> None:
    claims = [queue.claim(JOBS) for _ in range(4)]
    assert [claim and claim.job for claim in claims] == ["a", "b", "c", None]
    assert queue.outcomes(JOBS) == {}
    assert queue.running(JOBS) == dict.fromkeys(JOBS, WorkerIdentity.own())
    assert claims[0]
    assert claims[1]
    assert claims[2]
    queue.finish(claims[0], 3.5)
    queue.fail(claims[1], "no luck")
    queue.prune(claims[2], 4.5)
    assert queue.outcomes(JOBS) == {
        "a": Outcome("finished"),
        "b": Outcome("failed", "no luck"),
        "c": Outcome("pruned"),
    }
    assert queue.claim(JOBS) is None
    assert queue.claim([*JOBS, "d"]).job == "d"  # type: ignore[union-attr]


def test_a_job_that_was_put_back_is_taken_again_with_what_was_chosen_for_it(queue: Queue) -> None:
    first = queue.claim(["a"])
    assert first is not None
    Trial(queue.study, first.trial_id).suggest_float("x", 0, 1)
    chosen = queue.storage.get_trial(first.trial_id).params
    queue.release(first)
    again = queue.claim(["a"])
    assert again is not None
    assert (again.attempts, again.deaths) == (2, 0)
    assert queue.storage.get_trial(again.trial_id).params == chosen


def test_failures_are_tried_again_only_when_asked(queue: Queue) -> None:
    claim = queue.claim(["a"])
    assert claim is not None
    queue.fail(claim, "no luck")
    assert queue.reopen_failed(["a", "b"]) == ["a"]
    again = queue.claim(["a"])
    assert again is not None
    assert (again.job, again.attempts, again.deaths) == ("a", 2, 0)


@pytest.mark.parametrize("first_ends", [False, True])
def test_a_job_entered_twice_is_worked_on_once(queue: Queue, first_ends: bool) -> None:
    enter_twice(queue, "a")
    claim = queue.claim(["a"])
    assert claim is not None
    if first_ends:
        queue.finish(claim, 1.0)
    assert queue.claim(["a"]) is None
    assert len(queue.study.get_trials(states=[TrialState.RUNNING])) == (not first_ends)
    queue.finish(claim, 1.0)
    assert queue.outcomes(["a"]) == {"a": Outcome("finished")}


def test_a_double_taken_before_the_first_gives_way_to_it(queue: Queue) -> None:
    enter_twice(queue, "a")
    second = queue.study.get_trials()[1]
    assert queue._take("a", second) is None
    claim = queue.claim(["a"])
    assert claim is not None
    assert claim.deaths == 0, "giving way is no death"


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


def test_a_job_put_back_by_a_worker_that_is_gone_is_not_taken_from_the_next(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = queue.claim(["a"])
    assert claim is not None
    queue.release(claim)
    # Between taking the job and writing its name, the next worker must not be judged by the last one's.
    trial_id = claim.trial_id
    queue.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: True)
    assert queue.claim(["a"]) is None
    assert queue.storage.get_trial(trial_id).state == TrialState.RUNNING


@pytest.mark.slow
def test_many_processes_that_start_at_once_do_each_job_once(tmp_path: Path) -> None:
    jobs = [f"job{number}" for number in range(12)]
    processes = [start(take_all, tmp_path, jobs) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    done = logs(tmp_path)
    assert sorted(done) == sorted(jobs)
    assert all(words[::2] == ["begin", "end"] for words in done.values()), done


def test_sqlite_locks_before_it_reads(queue: Queue, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "queue.sqlite3", timeout=0, isolation_level=None)
    with queue.storage.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()


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


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL"),
        ("sqlite:////nowhere/at/all.sqlite3", "cannot be opened .*unable to open"),
        ("mysql+absent://host/db", "URL|driver|adavit"),
    ],
)
def test_a_queue_that_cannot_be_opened_is_the_users_to_mend(
    url: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.experiments.database.ATTEMPTS", 1)
    with pytest.raises(UserError, match=message):
        open_storage(url, heartbeat_s=1, grace_s=2)


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adavit.experiments.database.ATTEMPTS", 1)
    with pytest.raises(UserError) as caught:
        open_storage("postgresql+psycopg://me:secret@127.0.0.1:1/db", heartbeat_s=1, grace_s=2)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_distributions_survive_a_takeover_of_a_takeover(queue: Queue) -> None:
    distribution = FloatDistribution(0.001, 10, log=True)
    template = create_trial(
        state=TrialState.FAIL,
        params={"x": 0.5},
        distributions={"x": distribution},
        user_attrs={JOB: "a", "worker": WorkerIdentity.own().as_dict()},
    )
    queue.study.add_trial(template)
    queue.study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={JOB: "a"}))
    claim = queue.claim(["a"])
    assert claim is not None
    trial = queue.storage.get_trial(claim.trial_id)
    assert (trial.params, trial.distributions) == ({"x": 0.5}, {"x": distribution})
