"""The probability p of the augmentations: fixed or scheduled, and what every kind of it has in common.

All kinds count in images, measure the same statistics (`adavit.augment.statistics`), and have one small interface,
`Probability`. None of them holds a pipe: after `update` the caller writes `pipe.p.fill_(probability.p)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor

from adavit.augment.statistics import OverfittingStatistics


class Probability(Protocol):
    """Interface of the control of p, as the training loop uses it."""

    r_t: float
    r_v: float
    r_relative: float
    statistics: OverfittingStatistics

    @property
    def p(self) -> float:
        """The present probability, in [0, 1]."""
        ...

    def update(
        self,
        *,
        train: Tensor,
        generated: Tensor,
        heldout: Tensor | None = None,
        images: int,
        counted: Tensor | None = None,
        made: Tensor | None = None,
    ) -> bool:
        """Take note of a minibatch, and at the end of an interval move p.

        The host waits for the device only at the end of an interval.

        Args:
            train: Logits of the augmented training images, of any shape, one per image.
            generated: Logits of augmented generated images, likewise; there may be more or fewer.
            heldout: Logits of augmented held-out images; may be given in some minibatches of an interval only.
            images: Training images in the minibatch, over all processes: with `reduce`, B times the processes.
            counted: See `OverfittingStatistics.observe`.
            made: Likewise. A minibatch that says nothing is part of its interval all the same: that it says
                nothing is known on the device only.

        Returns:
            Whether the minibatch completed an interval.
        """
        ...

    def alarms(self) -> dict[str, str]:
        """What looks wrong, by a name that stays the same while the figures move; a sentence or more of advice each."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers and tensors, for `torch.load(weights_only=True)`."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        ...


class MeasuredProbability:
    """Base of all controls of p: measures overfitting by interval, and keeps p as it is.

    Attributes:
        r_t: Of the last complete interval, but for those in which APA showed generated images alone; nan before,
            and where all steps were skipped. Likewise `r_v` and `r_relative`.
        statistics: Of the running interval.

    Args:
        p: At the start, in [0, 1].
        interval_batches: Minibatches per interval.
        reduce: Called with the sums of an interval, [9], when it is complete; sums them over processes in
            place, for example `torch.distributed.all_reduce`. None means one process.
    """

    def __init__(
        self,
        p: float,
        interval_batches: int = 4,
        *,
        reduce: Callable[[Tensor], Any] | None = None,
    ) -> None:
        require(0 <= p <= 1, "p", p, "lie in [0, 1]", "Use 0 to start")
        require(interval_batches >= 1, "interval_batches", interval_batches, "be >= 1", "Use 4")
        self._p = float(p)
        self.interval_batches = interval_batches
        self._reduce = reduce
        self.statistics = OverfittingStatistics()
        self.r_t = self.r_v = self.r_relative = math.nan
        self._batches = 0
        self._interval_images = 0
        self._images = 0

    @property
    def p(self) -> float:
        """The present probability, in [0, 1]."""
        return self._p

    def update(
        self,
        *,
        train: Tensor,
        generated: Tensor,
        heldout: Tensor | None = None,
        images: int,
        counted: Tensor | None = None,
        made: Tensor | None = None,
    ) -> bool:
        """See `Probability.update`."""
        self.statistics.observe(
            train=train, generated=generated, heldout=heldout, counted=counted, made=made
        )
        self._batches += 1
        self._interval_images += images
        self._images += images
        if self._batches < self.interval_batches:
            self._progress()
            return False
        if self._reduce is not None:
            self._reduce(self.statistics.sums)
        values = self.statistics.values()
        self._progress()
        # APA may have shown generated images in the place of all training ones, which says nothing of these.
        if values["train_count"] or not values["generated_count"]:
            self.r_t, self.r_v, self.r_relative = values["r_t"], values["r_v"], values["r_relative"]
            self._complete(self._interval_images)
        self.statistics.reset()
        self._batches = self._interval_images = 0
        return True

    def _progress(self) -> None:
        """Move p after any minibatch."""

    def _complete(self, images: int) -> None:
        """Move p after an interval of so many images."""

    def alarms(self) -> dict[str, str]:
        """Always empty: an uncontrolled p has nothing to warn of."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes, as plain numbers and one tensor."""
        return {
            "p": self._p,
            "images": self._images,
            "interval_images": self._interval_images,
            "batches": self._batches,
            "r_t": self.r_t,
            "r_v": self.r_v,
            "r_relative": self.r_relative,
            "statistics": self.statistics.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._p = float(state["p"])
        self._images = int(state["images"])
        self._interval_images = int(state["interval_images"])
        self._batches = int(state["batches"])
        self.r_t, self.r_v = float(state["r_t"]), float(state["r_v"])
        self.r_relative = float(state["r_relative"])
        self.statistics.load_state_dict(state["statistics"])


class FixedProbability(MeasuredProbability):
    """p stays where it is; the overfitting is measured all the same.

    Args:
        p: In [0, 1].
        interval_batches: Minibatches per interval.
        reduce: Sums the statistics over processes in place.

    Raises:
        ValueError: If an argument is out of range.
    """


class ScheduledProbability(MeasuredProbability):
    """p follows half a cosine from `start` to `end`, then stays.

    Args:
        start: p at the first image, in [0, 1].
        end: p at `horizon_kimg` and after, in [0, 1].
        horizon_kimg: Thousands of images from start to end, > 0.
        interval_batches: Minibatches per interval of the statistics.
        reduce: Sums the statistics over processes in place.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        start: float,
        end: float,
        horizon_kimg: float,
        interval_batches: int = 4,
        *,
        reduce: Callable[[Tensor], Any] | None = None,
    ) -> None:
        super().__init__(start, interval_batches, reduce=reduce)
        require(0 <= end <= 1, "end", end, "lie in [0, 1]", "Use 0 to switch off")
        require(horizon_kimg > 0, "horizon_kimg", horizon_kimg, "be > 0", "Use total_kimg")
        self.start, self.end, self.horizon_kimg = float(start), float(end), float(horizon_kimg)

    def _progress(self) -> None:
        done = min(self._images / (1000 * self.horizon_kimg), 1.0)
        self._p = self.end + (self.start - self.end) * (1 + math.cos(math.pi * done)) / 2


def require(holds: bool, name: str, value: Any, must: str, remedy: str) -> None:
    """Raise a ValueError that says what was wrong, what was expected and what to do, unless a condition holds."""
    if not holds:
        raise ValueError(f"{name} is {value}, but must {must}. {remedy}.")
