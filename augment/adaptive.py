"""The adaptive probability: p follows a measure of overfitting.

Karras et al. 2020 (arXiv:2006.06676), section 3. The fixed and the scheduled p are in `adavit.augment.probability`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from adavit.augment.probability import (
    FixedProbability,
    MeasuredProbability,
    Probability,
    ScheduledProbability,
    require,
)
from adavit.augment.settings import TARGETS
from adavit.augment.statistics import OverfittingStatistics

__all__ = [
    "AdaptiveProbability",
    "FixedProbability",
    "OverfittingStatistics",
    "Probability",
    "ScheduledProbability",
]

_STATISTIC = {"rt": "r_t", "rv": "r_v", "relative": "r_relative"}


class AdaptiveProbability(MeasuredProbability):
    """p follows a measure of overfitting towards its target.

    Section 3 of Karras et al. 2020: once per interval p moves by sign(r - target) * images / (1000
    `speed_kimg`) and is clamped to [0, `p_max`]. An interval whose r is undefined or not finite leaves p where
    it is.

    Args:
        heuristic: rt, needs a loss with its threshold at 0 (logistic, hinge); rv, needs held-out images;
            relative, for relativistic losses.
        target: Desired value of the heuristic, in [-1, 1] (rv: in [0, 1]); None means 0.6 for rt and relative,
            0.5 for rv.
        speed_kimg: Thousands of images for p to move from 0 to 1, > 0. 100 is usual for fine-tuning.
        initial: p at the start, in [0, `p_max`].
        p_max: Largest p, in [0, 1]. Near 1 some augmentations leak into the generated images.
        interval_batches: Minibatches per interval.
        hold_band: p stays while the heuristic is within so much of its target.
        warn_after_kimg: For so many thousands of images in a row, > 0, something must look wrong before `alarms`
            says so.
        threshold_at_zero: Whether 0 is the decision threshold of the loss. False (relativistic, Wasserstein)
            brings a warning with the heuristic rt.
        reduce: Sums the statistics over processes in place; see `MeasuredProbability`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        heuristic: str = "rt",
        target: float | None = None,
        speed_kimg: float = 500.0,
        initial: float = 0.0,
        p_max: float = 0.8,
        interval_batches: int = 4,
        hold_band: float = 0.0,
        warn_after_kimg: float = 100.0,
        threshold_at_zero: bool = True,
        reduce: Callable[[Tensor], Any] | None = None,
    ) -> None:
        super().__init__(initial, interval_batches, reduce=reduce)
        require(
            heuristic in TARGETS,
            "heuristic",
            repr(heuristic),
            f"be one of {', '.join(TARGETS)}",
            "Use 'rt' unless the loss is relativistic",
        )
        self.heuristic = heuristic
        self.target = TARGETS[heuristic] if target is None else float(target)
        lowest = 0 if heuristic == "rv" else -1
        remedy = f"Use {TARGETS[heuristic]} for {heuristic}"
        require(lowest <= self.target <= 1, "target", target, f"lie in [{lowest}, 1]", remedy)
        require(speed_kimg > 0, "speed_kimg", speed_kimg, "be > 0", "Use 500")
        require(0 <= p_max <= 1, "p_max", p_max, "lie in [0, 1]", "Use 0.8")
        require(initial <= p_max, "initial", initial, f"be <= p_max ({p_max})", "Raise p_max")
        require(hold_band >= 0, "hold_band", hold_band, "be >= 0", "Use 0 for none")
        require(warn_after_kimg > 0, "warn_after_kimg", warn_after_kimg, "be > 0", "Use 100")
        self.speed_kimg = float(speed_kimg)
        self.p_max = float(p_max)
        self.hold_band = float(hold_band)
        self.warn_after_kimg = float(warn_after_kimg)
        self.threshold_at_zero = threshold_at_zero
        self._capped_images = 0
        self._negative_images = 0
        self._undefined_images = 0

    @property
    def r(self) -> float:
        """The heuristic's value in the last complete interval; nan before."""
        return float(getattr(self, _STATISTIC[self.heuristic]))

    def _complete(self, images: int) -> None:
        r = self.r
        defined = math.isfinite(r)
        if defined and abs(r - self.target) > self.hold_band:
            step = math.copysign(images / (1000 * self.speed_kimg), r - self.target)
            self._p = min(max(self._p + step, 0.0), self.p_max)
        if defined:  # else nobody knows whether p would go on
            wants_more = r - self.target > self.hold_band
            at_cap = wants_more and self._p >= self.p_max > 0
            self._capped_images = self._capped_images + images if at_cap else 0
        negative = self.heuristic != "rv" and defined and r < 0
        self._negative_images = self._negative_images + images if negative else 0
        self._undefined_images = 0 if defined else self._undefined_images + images

    def alarms(self) -> dict[str, str]:
        """What looks wrong, and what to do about it, by name; see `Probability`."""
        name, long = _STATISTIC[self.heuristic], 1000 * self.warn_after_kimg
        found = {}
        has_meaning = self.heuristic != "rt" or self.threshold_at_zero
        if not has_meaning:
            found["no threshold"] = (
                "r_t is undefined for this loss: it counts the sign of D, but 0 is not the loss's decision "
                "threshold. Use the heuristic 'relative', or 'rv' with a held-out part of the data."
            )
        if self._capped_images >= long and math.isfinite(self.r):
            found["p at its cap"] = (
                f"p has been at its cap of {self.p_max} for {self._capped_images / 1000:.0f} kimg and {name} is "
                f"{self.r:.2f}: the augmentations cannot hold the overfitting back. Add data, raise gamma, or use "
                "a smaller discriminator; raising p_max lets augmentations leak into the generated images."
            )
        if has_meaning and self._negative_images >= long:
            found["r below 0"] = (
                f"{name} has been below 0 for {self._negative_images / 1000:.0f} kimg: the discriminator is losing "
                "on its training images. Lower gamma, raise its learning rate or capacity, or use fewer "
                "augmentations."
            )
        if self._undefined_images > 0:
            found |= self._why_undefined()
        return found

    def _why_undefined(self) -> dict[str, str]:
        kimg = self._undefined_images / 1000
        if self.heuristic == "rv" and math.isnan(self.r_v) and math.isfinite(self.r_t):
            return {
                "r_v undefined": f"r_v has been undefined for {kimg:.1f} kimg, so p does not move: no logits of "
                "held-out images counted. Either none were given, or losses or gradients of their step were not "
                "finite; then look for a diverging loss. The heuristic 'rt' needs none."
            }
        return {
            "r undefined": (
                f"{_STATISTIC[self.heuristic]} has not been finite for {kimg:.1f} kimg, so p does not move: logits, "
                "losses or gradients are not finite. Look for a diverging loss; lower the learning rates or raise "
                "gamma."
            )
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes, as plain numbers and one tensor."""
        return {
            **super().state_dict(),
            "capped_images": self._capped_images,
            "negative_images": self._negative_images,
            "undefined_images": self._undefined_images,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; p is brought within the present `p_max`."""
        super().load_state_dict(state)
        self._p = min(self._p, self.p_max)
        self._capped_images = int(state["capped_images"])
        self._negative_images = int(state["negative_images"])
        self._undefined_images = int(state["undefined_images"])
