"""Progress of a run: counts, best figure, and when each periodic duty was last done."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from adavit.errors import shown
from adavit.runs.checkpoint import entry
from adavit.runs.metadata import MOST_COUNTED
from adavit.runs.reading import number
from adavit.runs.records import improves, is_untrained
from adavit.training.soundness import has_collapsed

NEVER = -1


@dataclass
class Progress:
    """Counts, best figure and periodic duties, as plain values that a checkpoint holds.

    Attributes:
        images: Real images seen.
        seconds: Time spent in training steps, over all sessions.
        skipped: Steps skipped because a number was not finite.
        skipped_in_a_row: Of these, the latest without a good one between them.
        best: Record of the best evaluation, with the `name` of the metric that decides; or None. That of an
            untrained network only while there is no other.
        latest: The same of the latest one.
        first: The same of the first one whose figure was finite: of the untrained networks, as a rule.
        sane_at: Images at the latest one that had not collapsed (`adavit.training.soundness`).
        done_at: Images at which each periodic duty was last done; `NEVER` is due at once.
    """

    images: int = 0
    seconds: float = 0.0
    skipped: int = 0
    skipped_in_a_row: int = 0
    best: dict[str, Any] | None = None
    latest: dict[str, Any] | None = None
    first: dict[str, Any] | None = None
    sane_at: int = NEVER
    done_at: dict[str, int] = field(
        default_factory=lambda: {
            "stats": 0,
            "samples": NEVER,
            "metrics": NEVER,
            "checkpoint": NEVER,
        }
    )

    def is_due(self, duty: str, every_kimg: float, *, ended: bool) -> bool:
        """Whether a duty is to be done now.

        It is due where a multiple of its cadence has been passed since it was last done, so a changed
        cadence, or a step that jumps over the multiple, makes no gap; and once more at the end.

        Args:
            duty: A key of `done_at`.
            every_kimg: Thousands of images between two times.
            ended: Whether training is over.
        """
        last = self.done_at[duty]
        if last == NEVER:
            return True
        every = 1000 * every_kimg
        return (ended and last != self.images) or self.images // every > last // every

    def stepped(self, *, images: int, seconds: float) -> None:
        """Counts one step; whether it was skipped is told later, by `judged`."""
        self.images += images
        self.seconds += seconds

    def judged(self, finite: Iterable[bool]) -> int:
        """Counts the next steps of those that were not judged: False for one that was skipped.

        Returns:
            The most that were skipped in a row up to any of them; 0 without any.
        """
        most = 0
        for made in finite:
            self.skipped += not made
            self.skipped_in_a_row = 0 if made else self.skipped_in_a_row + 1
            most = max(most, self.skipped_in_a_row)
        return most

    def measured(self, name: str, record: dict[str, Any]) -> bool:
        """Notes an evaluation, judged by the metric `name`; True if it is the best so far."""
        self.latest = {"name": name, **record}
        if self.first is None and math.isfinite(record[name]):
            self.first = self.latest
        best, figure = self.best, record[name]
        is_best = best is None or improves(name, figure, best[name], untrained=is_untrained(best))
        if is_best or not self._is_collapse(name, figure):
            self.sane_at = record["images"]
        if is_best:
            self.best = self.latest
        return is_best

    @property
    def has_collapsed(self) -> bool:
        """Whether the figure of the latest evaluation has collapsed."""
        return self.latest is not None and self.latest["images"] != self.sane_at

    @property
    def is_sane_now(self) -> bool:
        """Whether an evaluation at this moment has found a figure that has not collapsed."""
        return self.images == self.sane_at

    def _is_collapse(self, name: str, figure: float) -> bool:
        if self.first is None or self.best is None:
            return False
        return has_collapsed(name, figure, first=self.first[name], best=self.best[name])

    def done(self, duty: str) -> None:
        """Notes that a duty was done now."""
        self.done_at[duty] = self.images

    def state_dict(self) -> dict[str, Any]:
        """All fields, as plain values."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned.

        Raises:
            ValueError: If it has other fields, or counts that are no numbers.
        """
        if state.keys() != asdict(self).keys():
            raise ValueError(f"it has the fields {', '.join(state)}")
        for name in ("images", "skipped", "skipped_in_a_row"):
            _check_count(entry(state, name, int), name)
        for duty in self.done_at:
            _check_count(entry(entry(state, "done_at", dict), duty, int) - NEVER, duty)
        _check_count(entry(state, "sane_at", int) - NEVER, "sane_at")
        if not 0 <= entry(state, "seconds", float) < math.inf:
            raise ValueError(f"seconds are {shown(state['seconds'])}")
        for name in ("best", "latest", "first"):
            if state[name] is not None:
                _check_evaluation(entry(state, name, dict), name)
        for name, value in state.items():
            setattr(self, name, value)


def _check_count(count: int, name: str) -> None:
    if not 0 <= count < MOST_COUNTED:
        raise ValueError(f"{name} is {shown(count)}, which is not a count")


def _check_evaluation(record: dict[str, Any], name: str) -> None:
    metric, images = record.get("name"), record.get("images")
    figure = record.get(metric) if isinstance(metric, str) else None
    # A run that goes wrong may have one that is not finite.
    is_figure = isinstance(figure, float) or number(figure) is not None
    if not is_figure or type(images) is not int:
        raise ValueError(f"{name} is {shown(record)}, which is not an evaluation")
    _check_count(images, f"{name}.images")
