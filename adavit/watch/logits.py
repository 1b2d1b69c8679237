"""Logits of the discriminator at training, held-out and generated images, and their statistics."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adavit.augment import OverfittingStatistics
from adavit.augment.statistics import LEAST_GAP
from adavit.features.heads import PatchHead
from adavit.models import ResNetDiscriminator, ViTDiscriminator

BATCH = 64
"""Images at a time, unless the groups of the minibatch standard deviation do not divide it."""

BINS = 40


@dataclass(frozen=True)
class Window:
    """Images that are judged at once, all of them different ones.

    Attributes:
        images: Which.
        new: Those of them, at the end, that no window before had.
    """

    images: slice
    new: slice


def windows(count: int, group: int, most: int = BATCH) -> list[Window]:
    """Windows of one size over images, each of them whole groups; the last one reaches back for what it lacks.

    None is filled up with copies: in a group that holds an image twice the deviation is less, whatever the images show.

    Args:
        count: Of images, >= `group`.
        group: Images that are compared with each other, as `images_compared` tells, >= 1.
        most: Images of a window, unless a group has more.
    """
    assert count >= group, f"{count} images are fewer than a group of {group}"
    size = max(min(count, most) // group, 1) * group
    starts = range(0, count, size)
    return [
        Window(
            slice(min(start, count - size), min(start + size, count)),
            slice(max(0, start - (count - size)), None),
        )
        for start in starts
    ]


def images_compared(network: nn.Module) -> int:
    """Over how many images a network takes its minibatch standard deviation, or 1: fewer cannot be judged.

    Args:
        network: A discriminator, or a critic on frozen features.
    """
    judges = (ResNetDiscriminator, ViTDiscriminator, PatchHead)
    groups = (part.minibatch_std_group for part in network.modules() if isinstance(part, judges))
    return max(1, *groups)


@torch.no_grad()
def logits_of(discriminator: nn.Module, images: Tensor, labels: Tensor | None) -> Tensor:
    """Logits of images that are not augmented.

    Where the minibatch standard deviation compares images, each is compared with others of its kind,
    as in training.

    Args:
        discriminator: In float32, on the device of the images.
        images: Images [N, C, H, W] in [-1, 1], N >= `images_compared`.
        labels: Class numbers [N], or None without classes.

    Returns:
        Logits [N], float32, on the CPU.
    """
    found = []
    for window in windows(len(images), images_compared(discriminator)):
        chosen = None if labels is None else labels[window.images]
        found.append(discriminator(images[window.images], chosen)[window.new].float().cpu())
    return torch.cat(found)


@dataclass(frozen=True)
class LogitFigures:
    """Logits by kind of image.

    Attributes:
        by_kind: Logits [N] of "training", "heldout" and "generated" images, where there are some.
        threshold_at_zero: Whether the sign of a logit is a verdict under the loss. Where only differences of logits
            enter it, what counts signs is not recorded.
    """

    by_kind: dict[str, Tensor]
    threshold_at_zero: bool = True

    def count(self, kind: str) -> int:
        """Images of a kind; 0 where there are none."""
        return len(self.by_kind.get(kind, ()))

    @property
    def values(self) -> dict[str, float]:
        """`augment.OverfittingStatistics.values`; what lacks images is nan."""
        none = torch.zeros(0)
        statistics = OverfittingStatistics()
        statistics.observe(
            train=self.by_kind.get("training", none),
            generated=self.by_kind["generated"],
            heldout=self.by_kind.get("heldout"),
        )
        return statistics.values()

    @property
    def r_v(self) -> float:
        """Gap between training and held-out logits over that between training and generated ones.

        nan without one of the three, and where training images lie no higher than generated ones: from there on the
        figure tells of the guard that it is divided by (`adavit.augment.statistics.LEAST_GAP`).
        """
        values = self.values
        gap = values["mean_train"] - values["mean_generated"]
        return values["r_v"] if gap > LEAST_GAP else math.nan

    @property
    def real(self) -> str:
        """The kind of real images that stand against generated ones: "training", or "heldout" without any."""
        return "training" if "training" in self.by_kind else "heldout"

    def auc(self, kind: str) -> float:
        """Share of pairs of a real and a generated image in which the real one has the higher logit; ties half.

        Args:
            kind: Of the real images.
        """
        real, generated = self.by_kind[kind], self.by_kind["generated"].sort().values
        below = torch.searchsorted(generated, real) + torch.searchsorted(
            generated, real, right=True
        )
        return float(below.double().mean()) / (2 * len(generated))

    @property
    def accuracy(self) -> float:
        """Mean of the share of real images above 0 and that of generated ones below."""
        right = (self.by_kind[self.real] > 0).double(), (self.by_kind["generated"] < 0).double()
        return float(sum(side.mean() for side in right)) / 2

    @property
    def separation(self) -> float:
        """Distance of the mean logits of real and generated images, in their root mean square deviation."""
        sides = [self.by_kind[kind].double() for kind in (self.real, "generated")]
        spread = (sum(side.var(correction=0) for side in sides) / 2) ** 0.5
        return float((sides[0].mean() - sides[1].mean()) / spread)

    @property
    def heldout_gap_in_standard_errors(self) -> float:
        """Mean training logit minus mean held-out logit over the standard error of that difference, or nan."""
        sides = [self.by_kind.get(kind) for kind in ("training", "heldout")]
        if any(side is None or len(side) < 2 for side in sides):
            return math.nan
        train, heldout = (side.double() for side in sides if side is not None)
        error = (train.var() / len(train) + heldout.var() / len(heldout)).sqrt()
        return float((train.mean() - heldout.mean()) / error)

    def histograms(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Shares of images by logit.

        Returns:
            Edges [`BINS` + 1] common to all kinds, and for each the shares [`BINS`], which sum to 1.
        """
        everything = torch.cat(list(self.by_kind.values())).double().numpy()
        edges = np.histogram_bin_edges(everything, bins=BINS)
        return edges, {
            kind: np.histogram(logits.double().numpy(), bins=edges)[0] / len(logits)
            for kind, logits in self.by_kind.items()
        }

    def as_record(self) -> dict[str, Any]:
        """Moments, quantiles and histograms as plain values; None for what is not defined."""
        edges, shares = self.histograms()
        record: dict[str, Any] = {}
        for kind, logits in self.by_kind.items():
            exact = logits.double()
            quantiles = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)
            record[kind] = {
                "images": len(logits),
                "mean": float(exact.mean()),
                "std": float(exact.std(correction=0)),
                "quantiles_5_25_50_75_95": exact.quantile(quantiles).tolist(),
                "histogram": shares[kind].tolist(),
            }
            if self.threshold_at_zero:
                record[kind]["share_above_0"] = float((exact > 0).double().mean())
            if kind != "generated":
                record[kind]["auc"] = self.auc(kind)
        values = {"r_v": self.r_v, "r_relative": self.values["r_relative"]}
        values["separation"] = self.separation
        if self.threshold_at_zero:
            values |= {"r_t": self.values["r_t"], "accuracy": self.accuracy}
        defined = {key: value if math.isfinite(value) else None for key, value in values.items()}
        return {**record, "histogram_edges": edges.tolist(), **defined}
