"""Whose turn it is: one drawing at a time, and a bounded number that wait."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Self, TypeVar

MOST_WAITING = 16
"""Drawings beside the one that is made; the page asks for one after the other, so that this is for many pages."""

_Made = TypeVar("_Made")


class NoTurn(Exception):
    """Too many drawings wait already, or the studio is closing."""


class DrawingTurns:
    """Calls functions one after the other in a thread of its own: torch starts its threads anew for each that asks.

    Args:
        most_waiting: How many may wait.
    """

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._places = threading.BoundedSemaphore(most_waiting + 1)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="adavit-studio")
        self._closing, self._waiting = False, 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Waits for the drawing that is made; those that wait are given up."""
        with self._lock:
            self._closing = True
        self._thread.shutdown(cancel_futures=True)

    @property
    def waiting(self) -> int:
        """Drawings whose turn has not come."""
        return self._waiting

    def take(self, draw: Callable[[], _Made]) -> _Made:
        """What `draw` returns or raises, once its turn has come.

        Raises:
            NoTurn: If it will not come.
        """
        if not self._places.acquire(blocking=False):
            raise NoTurn
        try:
            with self._lock:
                if self._closing:
                    raise NoTurn
                drawing = self._thread.submit(self._begin, draw)
                self._waiting += 1
            return drawing.result()
        except CancelledError:
            self._leave()
            raise NoTurn from None
        finally:
            self._places.release()

    def _begin(self, draw: Callable[[], _Made]) -> _Made:
        self._leave()
        return draw()

    def _leave(self) -> None:
        with self._lock:
            self._waiting -= 1
