"""Whether a worker lives: who it is among all processes, and the signs of life that it gives beside its work."""

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError


@dataclass(frozen=True)
class WorkerIdentity:
    """A process among all that there have been.

    Attributes:
        host: Name of the machine, for people.
        pid: Process number.
        place: Where the number counts: one start of one machine, and one container on it; empty where
            the system does not tell.
        started: When the process began, in the system's ticks; tells it from a later one of the same
            number.
    """

    host: str
    pid: int
    place: str = ""
    started: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"

    @classmethod
    def own(cls) -> Self:
        """This process."""
        started, _ = _process(os.getpid())
        return cls(socket.gethostname(), os.getpid(), _place(), started)

    @classmethod
    def from_dict(cls, values: Any) -> Self | None:
        """What `as_dict` gave; None of anything else, since a queue may be shared with strangers."""
        try:
            return cls(
                host=str(values["host"]),
                pid=int(values["pid"]),
                place=str(values["place"]),
                started=str(values["started"]),
            )
        except (LookupError, TypeError, ValueError):
            return None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the queue."""
        return asdict(self)

    def is_known_dead(self) -> bool:
        """True if this machine can tell that the process is gone; False leaves it to the heartbeat."""
        if not self.place or self.place != _place():
            return False
        started, state = _process(self.pid)
        return started != self.started or state in ("Z", "X")


class ClaimLost(Exception):
    """Others took this worker for dead and have gone on with its job."""


def holds(storage: RDBStorage, trial_id: int) -> bool:
    """Whether a trial is still its worker's: others take a worker for dead after too long a silence."""
    return storage.get_trial(trial_id).state == TrialState.RUNNING


class Heartbeat:
    """While entered, a thread records that the worker lives.

    A database that cannot be reached for a while does not stop the work. A process that was asleep
    (a closed laptop) finds out that its job is no longer its own before it goes on. A worker whose
    parent was killed asks itself to stop, so that it leaves a checkpoint.

    Args:
        storage: Where it is recorded.
        trial_id: Of the trial that this worker works on.
    """

    def __init__(self, storage: RDBStorage, trial_id: int) -> None:
        self._storage = storage
        self._trial_id = trial_id
        self._interval = storage.heartbeat_interval or 1
        self._grace = storage.grace_period or 2 * self._interval
        self._end = threading.Event()
        self._lost = threading.Event()
        # Not the monotonic clock, which stands still while a machine sleeps.
        self._last = time.time()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    def check(self) -> None:
        """Cheap; to be called at every step.

        Raises:
            ClaimLost: If the job has been given to another worker.
        """
        if time.time() - self._last > self._grace:
            self._record()
        if self._lost.is_set():
            raise ClaimLost

    def _beat(self) -> None:
        parent = multiprocessing.parent_process()
        while not self._end.wait(self._interval):
            self._record()
            if parent is not None and not parent.is_alive():
                os.kill(os.getpid(), signal.SIGTERM)
                parent = None
        self._storage.remove_session()

    def _record(self) -> None:
        with contextlib.suppress(StorageInternalError, SQLAlchemyError):
            if not holds(self._storage, self._trial_id):
                self._lost.set()
            self._storage.record_heartbeat(self._trial_id)
        self._last = time.time()


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return ""


def _process(pid: int) -> tuple[str, str]:
    """Start and state of a process; empty if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # the name before may hold anything, blanks too
    return fields[19], fields[0]
