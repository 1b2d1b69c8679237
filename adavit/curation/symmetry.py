"""Is a set its own mirror image? A probe tries to tell images from transformed ones, and says which augmentations fit.

Where it cannot, the augmentation draws what the set may hold anyway, and there is nothing to leak. Where it can, the
augmentation draws what the set does not hold, and a generator must learn to leave it out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.curation.patch_features import patch_features
from adavit.curation.transformations import TRANSFORMATIONS
from adavit.metrics.intervals import wilson_interval
from adavit.runtime.randomness import generator_for

MOST_IMAGES = 2000
SIDE = 32
FOLDS = 5
RIDGE = 300.0
FEWEST = 20
"""Below so many images no interval would decide anything."""

DECISIVE = 0.6
"""Share of right answers that decides: 0.5 is guessing, and where six in ten are right most images could be either."""

QUANTILE = 2.576
"""Of the normal distribution, for an interval of 99%: five tests are made on each set."""

Verdict = Literal["told apart", "not told apart", "cannot be told"]


@dataclass(frozen=True)
class SymmetryTest:
    """What a probe made of one transformation.

    Attributes:
        key: Of the augmentation.
        words: What was done to the images.
        images: How many it was tried on, copies counted as one.
        accuracy: Share of right answers on images that it had not learnt from, 0.5 where it guesses.
        low: Start of the interval of 99%.
        high: Its end.
    """

    key: str
    words: str
    images: int
    accuracy: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """By where the interval lies; it cannot be told where that includes `DECISIVE`."""
        if self.low > DECISIVE:
            return "told apart"
        return "not told apart" if self.high < DECISIVE else "cannot be told"


def find_symmetries(
    images: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[SymmetryTest]:
    """Tries all transformations that can change the images.

    Args:
        images: uint8 [N, C, H, W]; at most `MOST_IMAGES` are drawn.
        groups: int64 [N]: copies have the same number, and are learnt from or tried together.
        seed: Of all that is drawn.
        progress: Called with the tests done and all of them.

    Returns:
        One result each; none where there are fewer than `FEWEST` groups.
    """
    drawn = torch.randperm(len(images), generator=generator_for(seed, "symmetry images", 0))
    chosen = np.sort(drawn[:MOST_IMAGES].numpy())
    numbers, group_of = np.unique(groups[chosen], return_inverse=True)
    if len(numbers) < FEWEST:
        return []
    is_coloured = images.shape[1] > 1
    asked = [each for each in TRANSFORMATIONS if is_coloured or not each.needs_colour]
    small = prepared(images, chosen)
    folds = _folds(group_of, seed)
    results = []
    for done, transformation in enumerate(asked, start=1):
        stream = generator_for(seed, f"symmetry {transformation.key}", 0)
        right = _right_answers(*transformation.versions(small, stream), folds, stream)
        # An image is judged twice and its copies too, but they are one trial: those answers are not independent.
        trials = np.bincount(group_of, right) / np.bincount(group_of)
        low, high = wilson_interval(float(trials.sum()), len(trials), z=QUANTILE)
        key, words, accuracy = transformation.key, transformation.words, float(trials.mean())
        results.append(SymmetryTest(key, words, len(trials), accuracy, low, high))
        if progress is not None:
            progress(done, len(asked))
    return results


def prepared(images: np.ndarray, chosen: np.ndarray) -> Tensor:
    """Images as the probe sees them: centre squares of at most `SIDE` px, what is transparent mid-grey.

    Mid-grey is what neither a rotation of hues nor a flip of luma moves.

    Args:
        images: uint8 [N, C, H, W].
        chosen: Indices.

    Returns:
        float32 [n, 3, S, S] in [-1, 1].
    """
    parts = []
    for start in range(0, len(chosen), MOST_IMAGES // 4):
        block = np.array(images[chosen[start : start + MOST_IMAGES // 4]])
        pixels = torch.from_numpy(block).float() / 127.5 - 1
        colour = pixels[:, :3] * ((pixels[:, 3:] + 1) / 2) if pixels.shape[1] == 4 else pixels
        side = min(colour.shape[2:])
        top, left = ((length - side) // 2 for length in colour.shape[2:])
        square = colour[:, :, top : top + side, left : left + side].expand(-1, 3, -1, -1)
        size = max(8, min(SIDE, side))
        if size != side:
            square = F.interpolate(
                square, (size, size), mode="bilinear", antialias=True, align_corners=False
            )
        parts.append(square)
    return torch.cat(parts).contiguous()


def _folds(group_of: np.ndarray, seed: int) -> Tensor:
    """The part of each image by its group, numbered from 0: int64 [n] from 0 to FOLDS - 1."""
    count = int(group_of.max()) + 1
    order = torch.randperm(count, generator=generator_for(seed, "symmetry folds", 0))
    return (order % FOLDS)[torch.from_numpy(group_of)]


def _right_answers(
    plain: Tensor, changed: Tensor, folds: Tensor, stream: torch.Generator
) -> np.ndarray:
    """Share of right answers on each image and its changed version, float64 [n] of 0, 0.5 and 1.

    A ridge regression of +1 and -1 on features, learnt on the other parts; of two versions that are the same
    one is taken for each.
    """
    features = patch_features(torch.cat([plain, changed]), stream).double()
    count = len(plain)
    targets = torch.cat([-torch.ones(count), torch.ones(count)]).double()
    parts = folds.repeat(2)
    scores = torch.zeros(2 * count, dtype=torch.float64)
    penalty = RIDGE * torch.eye(features.shape[1], dtype=torch.float64)
    gram, products = features.T @ features + penalty, features.T @ targets
    for fold in range(FOLDS):
        held = features[parts == fold]
        # What the other parts give is what all give, less this one.
        weights = torch.linalg.solve(
            gram - held.T @ held, products - held.T @ targets[parts == fold]
        )
        scores[parts == fold] = held @ weights
    right = ((scores > 0) == (targets > 0)).double()
    return ((right[:count] + right[count:]) / 2).numpy()


def switched_off(tests: Sequence[SymmetryTest]) -> str:
    """The settings that switch off what was told apart, for the command line; "" if nothing was."""
    told = [test.key for test in tests if test.verdict == "told apart"]
    return " ".join(f"--set augment.{key}=0" for key in told)
