"""Averages of what training measured between two lines of `stats.jsonl`."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from adavit.augment import OverfittingStatistics
from adavit.runs.checkpoint import entry
from adavit.training.passes.step_result import StepResult


class StatsWindow:
    """Sums since the last report; kept in the checkpoint, so that a resumed report lacks nothing.

    The sums stay on the device until they are asked for, so that measuring never waits for it.

    Args:
        reports: Names of what the regularizers measure; recorded as None where none was due.
        relative: Whether r_relative is recorded: it stands for r_t where that means nothing, or p follows it.
        device: Where the sums are.
    """

    def __init__(
        self,
        reports: Iterable[str] = (),
        *,
        relative: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        self._relative = relative
        self._names = dict.fromkeys(("loss_generator", "loss_discriminator", "r1", *reports))
        self.overfitting = OverfittingStatistics()
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}
        self._images = 0
        self._seconds = 0.0

    def observe(
        self, result: StepResult, *, heldout: Tensor | None, images: int, seconds: float
    ) -> None:
        """Adds one step of `images` real images that took `seconds`; a skipped step adds no figures."""
        self._images += images
        self._seconds += seconds
        self.overfitting.observe(**result.verdicts, heldout=heldout)
        for name, value in result.losses.items():
            added = value.masked_fill(~result.finite, 0)
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + added
            made = result.finite.long()
            self._counts[name] = self._counts.get(name, torch.zeros_like(made)) + made

    def waited(self, seconds: float) -> None:
        """Adds what the steps took the device after the host had told it all of them."""
        self._seconds += seconds

    def record(self) -> dict[str, float | None]:
        """Means since the last reset; None where nothing was measured."""
        means = {name: total / count for name, (total, count) in self._totals().items() if count}
        seen = self.overfitting.values()
        values = {
            "r_t": seen["r_t"],
            "r_v": seen["r_v"],
            **({"r_relative": seen["r_relative"]} if self._relative else {}),
            "logits_train": seen["mean_train"],
            "logits_heldout": seen["mean_heldout"],
            "logits_fake": seen["mean_generated"],
            **{name: means.get(name, math.nan) for name in self._names},
            "images_per_s": self._images / self._seconds if self._seconds else math.nan,
        }
        return {key: value if math.isfinite(value) else None for key, value in values.items()}

    def reset(self) -> None:
        """Begins anew."""
        self.overfitting.reset()
        self._sums, self._counts, self._images, self._seconds = {}, {}, 0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """All sums, as tensors and plain values."""
        counts = {name: count for name, (_, count) in self._totals().items() if count}
        return {
            "overfitting": self.overfitting.state_dict(),
            "sums": {name: self._sums[name] for name in counts},
            "counts": counts,
            "images": self._images,
            "seconds": self._seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over the sums of `state_dict`.

        Raises:
            ValueError: If they are no sums of such a window.
        """
        sums = entry(state, "sums", dict)
        self.overfitting.load_state_dict(entry(state, "overfitting", dict))
        self._sums = {name: entry(sums, name, Tensor).to(self._device) for name in sums}
        counts = entry(state, "counts", dict)
        steps = {name: entry(counts, name, int) for name in counts}
        single = all(total.numel() == 1 for total in self._sums.values())
        if sums.keys() != counts.keys() or not single or min(steps.values(), default=1) < 1:
            raise ValueError("its sums and counts do not belong together")
        self._counts = {name: torch.tensor(steps[name], device=self._device) for name in sums}
        self._images, self._seconds = entry(state, "images", int), entry(state, "seconds", float)

    def _totals(self) -> dict[str, tuple[float, int]]:
        """Sums and counts as numbers, with one transfer to the host."""
        both = [*self._sums.values(), *self._counts.values()]
        numbers = torch.stack([value.double() for value in both]).tolist() if both else []
        sums, counts = numbers[: len(self._sums)], numbers[len(self._sums) :]
        return {
            name: (total, int(count))
            for name, total, count in zip(self._sums, sums, counts, strict=True)
        }
