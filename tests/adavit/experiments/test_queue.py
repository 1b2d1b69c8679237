from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import Trial, TrialState, create_trial

from adavit.experiments.liveness import WorkerIdentity
from adavit.experiments.queue import JOB, Claim, Outcome, Queue
from tests.adavit.experiments.queue_processes import (
    logs,
    open_queue,
    start,
    take_all,
)

JOBS = ["a", "b", "c"]


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


def test_a_claim_enters_no_job_but_its_own(queue: Queue) -> None:
    enter_twice(queue, "a")
    claims = [queue.claim(JOBS) for _ in range(2)]
    assert [claim and claim.job for claim in claims] == ["a", "b"]
    assert len(queue.study.get_trials()) == 3


def test_a_job_that_was_put_back_is_taken_again_with_what_was_chosen_for_it(queue: Queue) -> None:
    first = queue.claim(["a"])
    assert first is not None
    Trial(queue.study, first.trial_id).suggest_float("x", 0, 1)
    chosen = queue.storage.get_trial(first.trial_id).params
    queue.release(first)
    again = queue.claim(["a"])
    assert again is not None
    assert (again.attempts, again.deaths) == (2, ())
    assert queue.storage.get_trial(again.trial_id).params == chosen


def test_failures_are_tried_again_only_when_asked(queue: Queue) -> None:
    claim = queue.claim(["a"])
    assert claim is not None
    queue.fail(claim, "no luck")
    assert queue.reopen_failed(["a", "b"]) == ["a"]
    again = queue.claim(["a"])
    assert again is not None
    assert (again.job, again.attempts, again.deaths) == ("a", 2, ())


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
    assert claim.deaths == (), "giving way is no death"


def test_a_job_put_back_by_a_worker_that_is_gone_is_not_taken_from_the_next(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = queue.claim(["a"])
    assert claim is not None
    queue.release(claim)
    # Between taking the job and writing its name, the next worker must not be judged by the last one's.
    trial_id, following = claim.trial_id, WorkerIdentity("here", 7, "this boot", "5")
    queue.storage.set_trial_user_attr(trial_id, f"taker {following}", following.as_dict())
    queue.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: self != following)
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


@pytest.mark.parametrize(
    ("begun_at", "images", "in_vain"),
    [
        ((), -1, 0),
        ((-1, -1, -1, -1, -1), -1, 5),
        ((-1, 100, 200, 300, 400), 500, 0),  # each has left a newer checkpoint
        ((-1, 100, 200, 200, 200), 200, 3),
        ((200, 200, 100, 200), 200, 1),  # the one that began at 100 came to 200
        ((200, 200, 100), 200, 0),
        ((None, None), 0, 0),  # killed before they began the cell's own work
        ((-1, None), 0, 0),
        ((1072, 1072, None, 1072, 1072, None, None, None), 1072, 4),
        ((300,), 200, 1),  # the checkpoint was lost
    ],
)
def test_a_death_counts_only_if_no_new_checkpoint_came_since_the_last(
    begun_at: tuple[int | None, ...], images: int, in_vain: int
) -> None:
    assert Claim("a", 1, 1, begun_at).deaths_without_progress(images) == in_vain


def test_a_worker_that_dies_has_left_word_of_where_it_began(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: True)
    for images in (-1, 100, None, 200):
        claim = queue.claim(["a"])
        assert claim is not None
        if images is not None:
            queue.begin(claim, images)
    last = queue.claim(["a"])
    assert last is not None
    assert last.deaths == (-1, 100, None, 200)
    queue.fail(last, "no luck")
    queue.reopen_failed(["a"])
    again = queue.claim(["a"])
    assert again is not None
    assert again.deaths == ()


def test_a_worker_does_nothing_to_a_job_of_another_database_in_place_of_its_own(
    queue: Queue, tmp_path: Path
) -> None:
    claim = queue.claim(["a"])
    assert claim is not None
    path = tmp_path / "queue.sqlite3"
    path.rename(tmp_path / "moved.sqlite3")
    other = open_queue(tmp_path)
    assert not queue.holds(claim)
    theirs = other.claim(["b"])
    assert theirs is not None
    assert theirs.trial_id == claim.trial_id
    assert not queue.beat(claim)
    queue.begin(claim, 5)
    queue.release(claim)
    queue.finish(claim, 1.0)
    queue.fail(claim, "late")
    assert other.holds(theirs)
    assert other.outcomes(["a", "b"]) == {}
    assert queue.running(["b"]) == {"b": WorkerIdentity.own()}


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_worker_that_dies_while_it_takes_a_job_is_missed_at_once(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, writes: int
) -> None:
    class Killed(BaseException):
        pass

    calls = []
    original = queue.storage.set_trial_user_attr

    def write(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == writes:
            raise Killed
        original(*arguments)

    monkeypatch.setattr(queue.storage, "set_trial_user_attr", write)
    with pytest.raises(Killed):
        queue.claim(["a"])
    dead = []
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: bool(dead))
    other = open_queue(tmp_path)
    if writes > 1:  # before the first it waits as it did
        assert other.claim(["a"]) is None
        dead.append(True)
    claim = other.claim(["a"])
    assert claim is not None
    assert claim.deaths == ()


def test_of_two_that_would_take_a_job_one_that_lives_may_have_it(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = queue.claim(["a"])
    assert claim is not None
    other = WorkerIdentity("elsewhere", 1, "another boot", "7")
    queue.storage.set_trial_user_attr(claim.trial_id, "worker", None)
    queue.storage.set_trial_user_attr(claim.trial_id, f"taker {other}", other.as_dict())
    own = WorkerIdentity.own()
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: self == own)
    assert queue.claim(["a"]) is None
