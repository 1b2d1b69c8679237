"""Patience with a database: what it cannot do just now is tried again, with growing pauses."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError

from adavit.errors import RunError, first_line

UNREACHABLE = (StorageInternalError, DBAPIError)
"""What is raised where a database is locked, full, gone or about to restart."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 15.0
HURRIED_S = 5.0
"""How long it is still tried once the process has been asked to stop."""

Result = TypeVar("Result")


class QueueUnreachable(RunError):
    """The queue's database could not be reached for as long as was waited for it.

    Args:
        text: The message.
        cause: What its driver said last.
    """

    def __init__(self, text: str, cause: str) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True)
class Patience:
    """How long a database is waited for.

    Attributes:
        seconds: In all, before it is given up.
        queue: How the database is shown to people.
        tell: Told that it is being waited for, once in each outage.
        asked_to_stop: Whether there is no time to wait any more.
        sleep: Waits for so many seconds.
        clock: Seconds since any moment.
    """

    seconds: float
    queue: str
    tell: Callable[[str], None] = lambda text: None
    asked_to_stop: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def __call__(self, action: Callable[[], Result]) -> Result:
        """What `action` returns, once the database lets it.

        Args:
            action: May be repeated at any point: single transactions, each of which does no harm twice.

        Raises:
            QueueUnreachable: If it could not be done in time.
        """
        begun, pause = self.clock(), FIRST_PAUSE_S
        while True:
            try:
                return action()
            except UNREACHABLE as error:
                cause = _cause_of(error)
            if pause == FIRST_PAUSE_S:
                self.tell(
                    f"Warning: the queue cannot be reached ({cause}); it is tried again and again."
                )
            self._wait(begun, pause, cause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _wait(self, begun: float, pause: float, cause: str) -> None:
        end = self.clock() + pause
        while (left := end - self.clock()) > 0:
            allowed = min(self.seconds, HURRIED_S) if self.asked_to_stop() else self.seconds
            waited = self.clock() - begun
            if waited >= allowed:
                raise QueueUnreachable(
                    f"the queue {self.queue!r} could not be reached for {waited:.0f} seconds"
                    f" ({cause}), expected a database that may be written. Fix that, then run the"
                    " same command again; each cell goes on from its last checkpoint.",
                    cause,
                )
            self.sleep(min(left, 0.5, allowed - waited))  # in parts, so that a signal is seen


def _cause_of(error: BaseException) -> str:
    """What the database's driver says is wrong."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(getattr(error, "orig", None) or error)
