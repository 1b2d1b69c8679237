"""Whether a worker lives: who it is among all processes, and the signs of life that it gives beside its work."""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from adavit.experiments.patience import UNREACHABLE

Who = TypeVar("Who", bound=Hashable)


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


class Silence:
    """How long others give no sign of life, as this process counts the seconds.

    A sign is anything that changes, such as a counter; no time that another machine has written is looked
    at, since its clock may be wrong by any amount. Between two looks no more than `longest_look_s` is
    counted: a process that did not look for an hour, or slept for one, has not heard an hour of silence.

    Args:
        grace_s: Seconds of silence that mean nothing.
        longest_look_s: As above; no shorter than the time between two signs.
        clock: Seconds since any moment.
    """

    def __init__(
        self, grace_s: float, longest_look_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._grace_s = grace_s
        self._longest_look_s = longest_look_s
        self._clock = clock
        self._last_look = clock()
        self._heard: dict[Any, tuple[Any, float]] = {}

    def look(self, signs: Mapping[Who, Any]) -> set[Who]:
        """Who has been silent for too long.

        Args:
            signs: The latest sign of everyone who should give some; others are forgotten.
        """
        now = self._clock()
        passed = min(now - self._last_look, self._longest_look_s)
        self._last_look = now
        heard: dict[Who, tuple[Any, float]] = {}
        for who, sign in signs.items():
            before, silent = self._heard.get(who, (None, 0.0))
            heard[who] = (sign, silent + passed if who in self._heard and before == sign else 0.0)
        self._heard = heard
        return {who for who, (_, silent) in heard.items() if silent > self._grace_s}


class ClaimLost(Exception):
    """Others took this worker for dead and have gone on with its job."""


class Heartbeat:
    """While entered, a thread records that the worker lives.

    A database that cannot be reached for a while does not stop the work. A process that was asleep
    (a closed laptop) finds out that its job is no longer its own before it goes on. A worker whose
    parent was killed asks itself to stop, so that it leaves a checkpoint.

    Args:
        beat: Records a sign of life; False if the job has been given to another worker.
        interval_s: Seconds between two of them.
        grace_s: Seconds after which others may take the worker for dead.
    """

    def __init__(self, beat: Callable[[], bool], *, interval_s: float, grace_s: float) -> None:
        self._beat = beat
        self._interval_s = interval_s
        self._grace_s = grace_s
        self._end = threading.Event()
        self._lost = threading.Event()
        # Not the monotonic clock, which stands still while a machine sleeps.
        self._last = time.time()
        self._thread = threading.Thread(target=self._go_on, name="heartbeat", daemon=True)

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
        # Not for longer: a server that does not answer may hold it up, and a late beat does no harm.
        self._thread.join(timeout=self._interval_s)

    def check(self) -> None:
        """Cheap; to be called at every step.

        Raises:
            ClaimLost: If the job has been given to another worker.
        """
        if abs(time.time() - self._last) > self._grace_s:
            self._record()
        if self._lost.is_set():
            raise ClaimLost

    def _go_on(self) -> None:
        parent = multiprocessing.parent_process()
        while not self._end.wait(self._interval_s):
            self._record()
            if parent is not None and not parent.is_alive():
                _ask_to_stop()
                parent = None

    def _record(self) -> None:
        with contextlib.suppress(*UNREACHABLE):
            if not self._beat():
                self._lost.set()
        self._last = time.time()


def _ask_to_stop() -> None:
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGTERM)  # `os.kill` would end the process without a checkpoint
    else:
        os.kill(os.getpid(), signal.SIGTERM)  # a raised one wakes this thread, not the main one


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
