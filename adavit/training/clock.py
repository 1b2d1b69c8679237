"""The clock of a run: how much of its budget is used, and when the end must begin to be over in time.

It decides when a run ends and which evaluations and sample grids it leaves out, never what a step computes.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from adavit.runs.reading import number
from adavit.runtime.files import write_json
from adavit.runtime.place import Place
from adavit.runtime.time_spans import seconds_in, span
from adavit.runtime.wording import duration
from adavit.training.film import MOST_FRAMES
from adavit.training.progress import Progress
from adavit.training.time_plan import Costs

LATEST = 1.01
"""Part of the budget at which all must be over where the end takes longer than was foreseen: an evaluation is broken
off in time for what must follow it."""

SPARE = 1.2
"""Factor on the time that the end is foreseen to take."""

REMEMBERED_STEPS = 50
"""Over about so many steps the pace is averaged: more than there are from one penalty to the next."""

LONGEST_STEP = 10.0
"""What counts of one step at most, in steps at the pace so far. It may have stood still: a machine that slept, a
process that was stopped. More than any penalty takes; a pace that stays slower is followed all the same."""

MISJUDGED = 1.5
"""Factor between two estimates of a run's time from which on the first is taken back."""


class Clock:
    """What a run asks about its time; this one is of a run that takes the time it takes."""

    def stepped(self, seconds: float) -> None:
        """Notes a training step."""

    def waited(self, seconds: float, steps: int) -> None:
        """Notes for how long the host has waited for the device to end so many steps, which it has only given it."""

    def took(self, duty: str, seconds: float) -> None:
        """Notes an evaluation ("metrics") or a sample grid ("samples")."""

    def went_on(self, progress: Progress) -> None:
        """Before the first step of a run that goes on: what it had seen, perhaps on another machine."""

    def reported(self, progress: Progress) -> list[str]:
        """At each report; lines about the time that the run takes."""
        return []

    def is_out(self, images_left: int) -> bool:
        """Whether the end must begin now, with so many real images to see."""
        return False

    def has_room(self, duty: str, images_left: int) -> bool:
        """Whether there is time for a duty now; `images_left` is 0 at the end of the run."""
        return True

    def has_struck(self) -> bool:
        """Whether what takes time must be broken off."""
        return False

    def keep(self) -> None:
        """Writes down how much is used, for whatever goes on with the run."""

    def ending(self) -> str:
        """Why a run is over for which time is out, in a clause."""
        raise AssertionError("time is never out")

    def stopped(self) -> str:
        """At the end: how much of the time was used, to end a sentence."""
        return ""


class BudgetClock(Clock):
    """Of a run with a budget.

    Args:
        budget: As the user wrote it, such as "2h".
        began: `time.monotonic` when this command began.
        costs: What was measured before the first step.
        batch: Real images per step.
        file: Where the time used is kept, so that a run that goes on has what is left.
        used_before: Seconds that commands before this one have used of it.
        grids: Sample grids that they have left, which are in the film too.
        now: Of seconds, as `began`.
    """

    def __init__(
        self,
        *,
        budget: str,
        began: float,
        costs: Costs,
        batch: int,
        file: Path | None,
        used_before: float = 0.0,
        grids: int = 0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget, self._seconds = budget, seconds_in(budget)
        self._costs, self._batch, self._file = costs, batch, file
        self._began, self._now = began - used_before, now
        self._computing, self._waiting = costs.step_s, 0.0
        self._taken: dict[str, tuple[float, float]] = {}
        self._grids = grids
        self._is_out = self._is_at_end = self._has_ended = False

    @property
    def used(self) -> float:
        """Seconds of the budget that are used."""
        return self._now() - self._began

    def keep(self) -> None:
        """See `Clock`."""
        if self._file is not None:
            used = {"used_s": round(self.used, 3), "ended": self._has_ended}
            known = {"budget": self._budget, "launch": Place.here().launch, **used}
            write_json(self._file, {**known, "measured": asdict(self._costs)})

    def stepped(self, seconds: float) -> None:
        """See `Clock`."""
        seconds = min(seconds, LONGEST_STEP * self._pace)
        self._computing += (seconds - self._computing) / REMEMBERED_STEPS

    def waited(self, seconds: float, steps: int) -> None:
        """See `Clock`; a moving average like that of what steps keep the host busy."""
        if steps:
            new = 1 - (1 - 1 / REMEMBERED_STEPS) ** steps
            of_each = min(seconds / steps, LONGEST_STEP * self._pace)
            self._waiting += new * (of_each - self._waiting)

    @property
    def _pace(self) -> float:
        """Seconds of a step."""
        return self._computing + self._waiting

    def took(self, duty: str, seconds: float) -> None:
        """See `Clock`."""
        self._taken[duty] = (seconds, self._pace)
        self._grids += duty == "samples"

    def reported(self, progress: Progress) -> list[str]:
        """See `Clock`."""
        self.keep()
        return []

    def is_out(self, images_left: int) -> bool:
        """See `Clock`; once out it stays so."""
        until = self.used + self._pace + SPARE * self._end_s()
        self._is_out = self._is_out or until > self._seconds
        self._is_at_end = images_left <= 0
        return self._is_out and images_left > 0

    def has_room(self, duty: str, images_left: int) -> bool:
        """See `Clock`.

        In a run that is behind, what would keep it from its last step in time is left out; where that cannot be
        reached anyway, evaluations are worth more than the few steps they cost.
        """
        cost = self._cost(duty)
        if images_left <= 0:
            return self.used + cost + self._closing_s() <= LATEST * self._seconds
        without = self.used + images_left / self._batch * self._pace + self._end_s()
        return not without <= self._seconds < without + cost

    def has_struck(self) -> bool:
        """See `Clock`."""
        return self.used + self._closing_s() > LATEST * self._seconds

    def ending(self) -> str:
        """See `Clock`."""
        return f"where its budget of {self._budget} ends"

    def stopped(self) -> str:
        """See `Clock`."""
        # A run that patience has ended has time for one with more of it.
        self._has_ended = self._is_out or self._is_at_end
        self.keep()
        return f"; {span(self.used)} of {self._budget} used"

    def _cost(self, duty: str) -> float:
        """Seconds that a duty takes at the present pace; what was seen counts for more than what was foreseen."""
        foreseen = {"metrics": self._costs.evaluation_s, "samples": self._costs.sheet_s}
        seconds, pace = self._taken.get(duty, (foreseen[duty], self._costs.step_s))
        return seconds * max(1.0, self._pace / pace)

    def _end_s(self) -> float:
        """Seconds from the last step to the end of the process."""
        return self._cost("metrics") + self._cost("samples") + self._closing_s()

    def _closing_s(self) -> float:
        """Seconds of what no run ends without: the checkpoint, the curves, the film, the end of the process."""
        costs = self._costs
        slower = max(1.0, self._pace / costs.step_s)
        frames = min(self._grids + 1, MOST_FRAMES)
        written = costs.save_s + costs.curves_s + frames * costs.frame_s
        return slower * (written + costs.exit_s)


class Stopwatch(Clock):
    """Of a run without a budget: tells how long it will take, when there has been a report.

    It tells so again after the second one where the first steps were not typical: on a GPU each kind is recorded first.

    Args:
        total_images: Real images at its end.
        every_images: Real images between evaluations; None where there are none.
    """

    def __init__(self, total_images: int, every_images: float | None) -> None:
        self._total, self._every = total_images, every_images
        self._evaluation_s = 0.0
        self._told_s: list[float] = []
        self._images, self._seconds = 0, 0.0

    def went_on(self, progress: Progress) -> None:
        """See `Clock`; an evaluation is taken to last as before until there is one."""
        self._images, self._seconds = progress.images, progress.seconds
        self._evaluation_s = number((progress.latest or {}).get("seconds")) or 0.0

    def took(self, duty: str, seconds: float) -> None:
        """See `Clock`."""
        if duty == "metrics":
            self._evaluation_s = seconds

    def reported(self, progress: Progress) -> list[str]:
        """See `Clock`."""
        images, seconds = progress.images - self._images, progress.seconds - self._seconds
        is_known = images > 0 and seconds > 0 and progress.images < self._total
        if len(self._told_s) == 2 or not is_known:
            return []
        self._images, self._seconds = progress.images, progress.seconds
        left = self._total - progress.images
        evaluations = 0 if self._every is None else 1 + int(left / self._every)
        left_s = left / images * seconds + evaluations * self._evaluation_s
        self._told_s.append(left_s)
        if len(self._told_s) == 1:
            return [f"About {_rounded(left_s)} to go, evaluations included."]
        first, now = map(_rounded, self._told_s)
        if first == now or max(self._told_s) < MISJUDGED * min(self._told_s):
            return []
        return [f"About {now} to go after all: the first steps were not typical."]


def _rounded(seconds: float) -> str:
    unit = 60 if seconds > 90 else 10
    return duration(unit * max(1, round(seconds / unit)))
