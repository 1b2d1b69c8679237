"""Handling of Ctrl-C and SIGTERM: the training loop stops at the next step, with a checkpoint."""

import signal
import threading
from types import FrameType
from typing import Self


class Stopped(Exception):
    """The run was asked to stop and has written its checkpoint.

    Args:
        signal_number: Of the signal; the exit code is 128 more.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class StopRequest:
    """While entered, notes SIGINT and SIGTERM instead of dying of them; a second Ctrl-C is immediate.

    Python delivers signals to the main thread only; in another one (a notebook's worker) nothing is
    noted and nothing is changed.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self.signal_number is not None

    def __enter__(self) -> Self:
        in_main_thread = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if in_main_thread else ()
        self._previous = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = number
