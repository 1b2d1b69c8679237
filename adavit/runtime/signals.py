"""Handling of Ctrl-C, SIGTERM and a closed terminal: the training loop stops at the next step, with a checkpoint.

What writes no checkpoint stops at once, and takes with it what is unfinished.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any, Self

from adavit.errors import Portable


class Stopped(Portable):
    """The work was asked to stop, and what it needs to go on is written.

    Attributes:
        signal_name: As "SIGTERM".

    Args:
        signal_number: Of the signal; the exit code is 128 more.
        go_on: What goes on with it, such as "adavit train --resume RUN"; None where nothing does.
        left: A clause about what is left to go on from.
    """

    def __init__(
        self,
        signal_number: int,
        *,
        go_on: str | None = None,
        left: str = "the checkpoint is written",
    ) -> None:
        self.signal_name = signal.Signals(signal_number).name
        by = "Ctrl-C" if signal_number == signal.SIGINT else self.signal_name
        super().__init__(
            f"Stopped by {by}{'.' if go_on is None else f'; {left}. Go on with: {go_on}'}"
        )
        self.signal_number = signal_number
        self.go_on = go_on
        self.left = left


class StopRequest:
    """While entered, notes SIGINT, SIGTERM and SIGHUP instead of dying of them; a second Ctrl-C is immediate.

    SIGHUP comes when the terminal is closed; where it is ignored (`nohup`) it stays so. Python
    delivers signals to the main thread only; in another one (a notebook's worker) nothing is noted
    and nothing is changed.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self.signal_number is not None

    def __enter__(self) -> Self:
        in_main_thread = threading.current_thread() is threading.main_thread()
        numbers = stopping_signals() if in_main_thread else []
        self._previous = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *exception: object) -> None:
        give_back(self._previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = number


@contextlib.contextmanager
def stopped_at_once() -> Iterator[None]:
    """While entered, SIGTERM and SIGHUP end the work as Ctrl-C does, so that it cleans up behind itself.

    They are a KeyboardInterrupt where they find it, which nothing takes for a broken file. While the work cleans up,
    a second one is ignored; a second Ctrl-C is immediate. In other threads than the main one nothing is changed.

    Raises:
        Stopped: After any of them, when what is within has ended.
    """
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1 or number == signal.SIGINT:
            raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()
    numbers = stopping_signals() if in_main_thread else []
    previous = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    except KeyboardInterrupt:
        if not came:
            raise
        raise Stopped(came[0]) from None
    finally:
        give_back(previous)


def give_back(handlers: Mapping[signal.Signals, Any]) -> None:
    """Has signals handled as they were before.

    Args:
        handlers: That `signal.signal` has returned, by number; None stands for one of a program that Python is a part
            of, which cannot be set from here: its signals are left as they are.
    """
    for number, handler in handlers.items():
        if handler is not None:
            signal.signal(number, handler)


def stopping_signals() -> list[signal.Signals]:
    """Those that ask a process to stop."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        numbers.append(hangup)
    return numbers
