"""Who a worker is, so that another one on the same machine can tell at once that it has died."""

import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self


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
