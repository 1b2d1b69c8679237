"""A queue of jobs in a database: each is worked on by one process at a time, and done once.

Optuna's trials are its entries: waiting, running, complete, pruned or failed. What is waiting may be
claimed; a claim is kept by a heartbeat. A job whose worker has died gets a new trial, so the history of a
job is a list of trials. Nothing but single transactions of the database is relied upon: a process may be
killed between any two of them, and several may do the same at once.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from adavit.experiments.liveness import Silence, WorkerIdentity

JOB, WORKER, REASON, ATTEMPTS = "job", "worker", "reason", "attempts"
BEAT, BEGUN_AT, TAKER = "beat", "begun_at", "taker "
OPEN = (TrialState.WAITING, TrialState.RUNNING)
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Claim:
    """A job that a worker has taken, by setting a trial of it in the database to "running".

    Attributes:
        job: Its name.
        trial_id: Of its trial in the database.
        attempts: How often it has been taken, this time included.
        deaths: Images at the checkpoint from which each worker began that has died of it since it last
            ended in another way; None for one that had not got so far as to say.
        last_worker: The last of them, or None.
    """

    job: str
    trial_id: int
    attempts: int
    deaths: tuple[int | None, ...] = ()
    last_worker: WorkerIdentity | None = None

    def deaths_without_progress(self, images: int) -> int:
        """How many workers in a row, the last of them included, have died without a newer checkpoint.

        One that had not begun the cell's own work yet did not die of it.

        Args:
            images: At the checkpoint that there is now; below 0 if there is none.
        """
        begun = [start for start in self.deaths if start is not None]
        in_vain = 0
        while in_vain < len(begun) and begun[-1 - in_vain] >= images:
            in_vain += 1
        return in_vain


@dataclass(frozen=True)
class Outcome:
    """How a job has ended.

    Attributes:
        state: "finished", "pruned" or "failed".
        reason: Of a failure.
    """

    state: str
    reason: str | None = None


class Queue:
    """The jobs of one experiment.

    Every method may be repeated where the database failed in the middle of it.

    Args:
        storage: As `adavit.experiments.database.open_storage` gives it.
        study: An Optuna study in that storage.
        heartbeat_s: Seconds between signs of life of a worker.
        grace_s: Seconds without one after which it counts as dead. One that died on this machine is
            noticed at once.
    """

    def __init__(
        self, storage: RDBStorage, study: optuna.Study, *, heartbeat_s: float, grace_s: float
    ) -> None:
        self.storage = storage
        self.study = study
        self.heartbeat_s = heartbeat_s
        self.grace_s = grace_s
        self._silence = Silence(grace_s, longest_look_s=heartbeat_s)

    def claim(self, jobs: Sequence[str]) -> Claim | None:
        """Takes the first of `jobs` that waits, or is missing, which enters it.

        The others are left to be entered by whoever takes them: workers that begin at one moment would each enter
        them all.

        Returns:
            The claim, or None if none of them waits.
        """
        self._fail_the_dead()
        histories = self._histories()
        for job in jobs:
            history = histories.get(job, [])
            if not _is_open(history) and _outcome(history) is None:
                self._enter(job, history)
                histories = self._histories()
            for trial in histories.get(job, []):
                if trial.state == TrialState.WAITING:
                    claim = self._take(job, trial)
                    if claim is not None:
                        return claim
                    histories = self._histories()  # others are taking jobs too
        return None

    def outcomes(self, jobs: Sequence[str]) -> dict[str, Outcome]:
        """How those of the jobs that have ended did so."""
        histories = self._histories()
        found = {job: _outcome(histories.get(job, [])) for job in jobs}
        return {job: outcome for job, outcome in found.items() if outcome is not None}

    def running(self, jobs: Sequence[str]) -> dict[str, WorkerIdentity | None]:
        """Jobs that are being worked on, and by whom."""
        histories = self._histories()
        return {
            job: WorkerIdentity.from_dict(trial.user_attrs.get(WORKER))
            for job in jobs
            for trial in histories.get(job, [])
            if trial.state == TrialState.RUNNING
        }

    def reopen_failed(self, jobs: Sequence[str]) -> list[str]:
        """Enters again what has failed; returns which."""
        histories = self._histories()
        failed = []
        for job in jobs:
            history = histories.get(job, [])
            outcome = _outcome(history)
            if outcome is not None and outcome.state == "failed" and not _is_open(history):
                self._enter(job, history)
                failed.append(job)
        return failed

    def holds(self, claim: Claim) -> bool:
        """Whether a job is still its worker's: others take a worker for dead after too long a silence."""
        return self._held(claim) is not None

    def beat(self, claim: Claim) -> bool:
        """Notes that the worker lives; False if the job is no longer its own."""
        trial = self._held(claim)
        if trial is None:
            return False
        beats = trial.user_attrs.get(BEAT)
        with contextlib.suppress(UpdateFinishedTrialError):
            self.storage.set_trial_user_attr(
                claim.trial_id, BEAT, 1 + beats if isinstance(beats, int) else 1
            )
        return True

    def begin(self, claim: Claim, images: int) -> None:
        """Notes where the work begins: images at the checkpoint, below 0 if there is none."""
        if not self.holds(claim):
            return
        with contextlib.suppress(UpdateFinishedTrialError):
            self.storage.set_trial_user_attr(claim.trial_id, BEGUN_AT, images)

    def release(self, claim: Claim) -> None:
        """Puts a job back, for whoever comes next."""
        if not self.holds(claim):
            return
        # Without its worker's name: else the next one, until it has written its own, would be taken for
        # this one, which will be dead by then.
        with contextlib.suppress(UpdateFinishedTrialError):
            self.storage.set_trial_user_attr(claim.trial_id, WORKER, None)
        self._end(claim, TrialState.WAITING)

    def finish(self, claim: Claim, value: float | None) -> None:
        """Notes that a job is done; `value` is its figure."""
        self._end(claim, TrialState.COMPLETE, value)

    def prune(self, claim: Claim, value: float | None) -> None:
        """Notes that a job was ended early since it would not be the best; `value` is its figure."""
        self._end(claim, TrialState.PRUNED, value)

    def fail(self, claim: Claim, reason: str) -> None:
        """Notes that a job has failed."""
        if not self.holds(claim):
            return
        try:
            self.storage.set_trial_user_attr(claim.trial_id, REASON, reason)
        except UpdateFinishedTrialError:
            return
        self._end(claim, TrialState.FAIL)

    def _end(self, claim: Claim, state: TrialState, value: float | None = None) -> None:
        if self.holds(claim):  # else taken over; the other's word counts
            self._set_state(claim.trial_id, state, None if value is None else [value])

    def _set_state(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        try:
            return self.storage.set_trial_state_values(trial_id, state, values)
        except UpdateFinishedTrialError:
            return False

    def _held(self, claim: Claim) -> FrozenTrial | None:
        """The trial of a claim, if it is that still; another database may have come in its place."""
        try:
            trial = self.storage.get_trial(claim.trial_id)
        except KeyError:
            return None
        known = (trial.user_attrs.get(JOB), trial.user_attrs.get(ATTEMPTS))
        running = trial.state == TrialState.RUNNING
        return trial if running and known == (claim.job, claim.attempts) else None

    def _take(self, job: str, trial: FrozenTrial) -> Claim | None:
        trial_id, worker = self._trial_id(trial), WorkerIdentity.own()
        try:
            # Before it is taken: else the job of a worker that dies right then would be nobody's.
            self.storage.set_trial_user_attr(trial_id, f"{TAKER}{worker}", worker.as_dict())
        except UpdateFinishedTrialError:
            return None
        if not self._set_state(trial_id, TrialState.RUNNING):
            return None
        history = self._histories()[job]
        earlier = [other for other in history if other.number < trial.number]
        # Two workers may have entered the same job at once: then the first trial is the one that counts.
        if _is_open(earlier) or any(other.state in DONE for other in history):
            self._set_state(trial_id, TrialState.FAIL)
            return None
        attempts = 1 + max((other.user_attrs.get(ATTEMPTS, 0) for other in history), default=0)
        try:
            self.storage.set_trial_user_attr(trial_id, ATTEMPTS, attempts)
            self.storage.set_trial_user_attr(trial_id, WORKER, worker.as_dict())
        except UpdateFinishedTrialError:  # taken for dead meanwhile
            return None
        dead = _dead(earlier)
        deaths = tuple(_begun_at(other) for other in dead)
        last = WorkerIdentity.from_dict(dead[-1].user_attrs.get(WORKER)) if dead else None
        return Claim(job, trial_id, attempts, deaths, last)

    def _enter(self, job: str, history: Sequence[FrozenTrial]) -> None:
        # What a sampler has chosen for the job stays with it.
        chosen = next((trial for trial in reversed(history) if trial.params), None)
        template = create_trial(
            state=TrialState.WAITING,
            params=chosen.params if chosen else None,
            distributions=chosen.distributions if chosen else None,
            user_attrs={JOB: job},
        )
        self.storage.create_new_trial(self._study_id(), template)

    def _fail_the_dead(self) -> None:
        running = {
            self._trial_id(trial): trial
            for history in self._histories().values()
            for trial in history
            if trial.state == TrialState.RUNNING
        }
        # All that a worker writes changes when another one takes the same trial.
        signs = {
            trial_id: [trial.user_attrs.get(key) for key in (WORKER, ATTEMPTS, BEAT)]
            for trial_id, trial in running.items()
        }
        silent = self._silence.look(signs)
        for trial_id, trial in running.items():
            if trial_id in silent or _is_known_dead(trial):
                self._set_state(trial_id, TrialState.FAIL)

    def _histories(self) -> dict[str, list[FrozenTrial]]:
        """Trials of each job, oldest first."""
        histories: dict[str, list[FrozenTrial]] = {}
        trials = self.storage.get_all_trials(self._study_id(), deepcopy=False)
        for trial in sorted(trials, key=lambda trial: trial.number):
            histories.setdefault(str(trial.user_attrs.get(JOB)), []).append(trial)
        return histories

    def _trial_id(self, trial: FrozenTrial) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self._study_id(), trial.number)

    def _study_id(self) -> int:
        """Asked for each time: another database may have come in place of the one that was opened."""
        try:
            return self.storage.get_study_id_from_name(self.study.study_name)
        except KeyError:
            raise StorageInternalError(
                f"it holds no experiment {self.study.study_name!r} any more"
            ) from None


def _is_open(history: Sequence[FrozenTrial]) -> bool:
    return any(trial.state in OPEN for trial in history)


def _dead(history: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials at the end of a history whose workers died."""
    dead: list[FrozenTrial] = []
    for trial in history:
        if trial.state == TrialState.FAIL:
            if REASON in trial.user_attrs:
                dead = []
            elif trial.user_attrs.get(WORKER):  # one without was entered twice and never begun
                dead.append(trial)
    return dead


def _is_known_dead(trial: FrozenTrial) -> bool:
    """Whether this machine can tell that no one works on it: its worker, or all that may have taken it, are gone."""
    attributes = trial.user_attrs
    named = WorkerIdentity.from_dict(attributes.get(WORKER))
    takers = [
        WorkerIdentity.from_dict(value)
        for key, value in attributes.items()
        if key.startswith(TAKER)
    ]
    workers = takers if named is None else [named]
    return bool(workers) and all(worker and worker.is_known_dead() for worker in workers)


def _begun_at(trial: FrozenTrial) -> int | None:
    images = trial.user_attrs.get(BEGUN_AT)
    return images if isinstance(images, int) else None


def _outcome(history: Sequence[FrozenTrial]) -> Outcome | None:
    for trial in history:
        if trial.state == TrialState.COMPLETE:
            return Outcome("finished")
        if trial.state == TrialState.PRUNED:
            return Outcome("pruned")
    if _is_open(history):
        return None
    begun = [trial for trial in history if trial.user_attrs.get(WORKER)]
    if begun and REASON in begun[-1].user_attrs:
        return Outcome("failed", str(begun[-1].user_attrs[REASON]))
    return None
