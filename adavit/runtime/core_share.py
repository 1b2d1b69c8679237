"""Whether the threads of this process get the cores they ask for; threads that wait for each other lose most."""

import torch

from adavit.augment.devices import is_accelerator
from adavit.runtime.devices import crowding

TOO_SMALL = 0.5
"""Share of its time on a core below which a thread that only calculates is kept off it by others."""

LOOKED_AT_S = 5.0
"""So many seconds of steps are looked at before anything is said."""


class CoreShare:
    """Compares the time that the thread of the steps was on a core with the time that the steps took.

    That thread calculates its share of each operation and waits for the others only where they are late. Where other
    programs want the cores, it and they are put off in turn, and each operation waits for the last of them: with two
    threads on two busy cores a step took up to fifty times as long as with one.

    Args:
        device: Where the steps are computed; nothing is said of an accelerator, for which the thread waits.
        threads: Of this process; None asks torch.
    """

    def __init__(self, device: torch.device, threads: int | None = None) -> None:
        self._threads = torch.get_num_threads() if threads is None else threads
        alone = self._threads == 1
        # What was said before the first step need not be said again.
        self._is_told = is_accelerator(device) or alone or bool(crowding(device))
        self._seconds = self._worked = 0.0

    def stepped(self, seconds: float, worked: float) -> None:
        """Adds a step that took `seconds`, of which the thread was on a core for `worked`."""
        self._seconds += seconds
        self._worked += worked

    def note(self) -> str | None:
        """A line where the cores are busy with other programs, once; None elsewhere."""
        if self._is_told or self._seconds < LOOKED_AT_S:
            return None
        share = self._worked / self._seconds
        self._seconds = self._worked = 0.0
        if share >= TOO_SMALL:
            return None
        self._is_told = True
        return (
            f"Warning: other programs keep the cores busy: the steps had theirs for {share:.0%} of the time, and"
            f" {self._threads} threads wait for each other. With OMP_NUM_THREADS=1 before the command they may be"
            " many times as fast; a run that goes on with another number of threads has other last bits."
        )
