"""Signs of life of a worker, beside its work."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from types import TracebackType
from typing import Self

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from adavit.experiments.queue import Claim, Queue


class ClaimLost(Exception):
    """Others took this worker for dead and have gone on with its job."""


class Heartbeat:
    """While entered, a thread records that the worker lives.

    A database that cannot be reached for a while does not stop the work. A process that was asleep
    (a closed laptop) finds out that its job is no longer its own before it goes on. A worker whose
    parent was killed asks itself to stop, so that it leaves a checkpoint.

    Args:
        queue: Where it is recorded.
        claim: The job.
    """

    def __init__(self, queue: Queue, claim: Claim) -> None:
        self._queue = queue
        self._claim = claim
        self._interval = queue.storage.heartbeat_interval or 1
        self._grace = queue.storage.grace_period or 2 * self._interval
        self._end = threading.Event()
        self._lost = threading.Event()
        self._last = (
            time.time()
        )  # not the monotonic clock, which stands still while a machine sleeps
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
        self._queue.storage.remove_session()

    def _record(self) -> None:
        with contextlib.suppress(StorageInternalError, SQLAlchemyError):
            if not self._queue.holds(self._claim):
                self._lost.set()
            self._queue.storage.record_heartbeat(self._claim.trial_id)
        self._last = time.time()
