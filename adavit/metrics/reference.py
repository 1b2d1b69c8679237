"""The real side of an evaluation: features of the reference, and what real images score against it.

A distance means little without its floor. Real images of the same data never score 0, since a
Frechet distance is biased upwards by small numbers of images on either side. Three figures of real
images are taken, each with its counts:

floor      held-out images against the reference without them (also without equal copies of them)
training   the same for the images trained on, where they are a part of the reference; those are
           few, so that thousands of generated images may score less without being copies
halves     two random halves of the reference against each other (at most 5,000 images each)
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adavit.data.digests import image_digest
from adavit.errors import UserError
from adavit.metrics.bounded_pairs import bounded_figures, drawn_part
from adavit.metrics.distances import check_features
from adavit.metrics.extractors.extractor import (
    FeatureExtractor,
    Progress,
    ShouldStop,
    array_batches,
    extract_features,
)
from adavit.metrics.measures import MEASURES, WITH_REAL_SCORES
from adavit.metrics.real_features import RealFeatures
from adavit.metrics.reference_cache import cache_key, cached_features

HALF_LIMIT = 5000
HALVES_SEED = 0


@dataclass(frozen=True)
class RealScore:
    """Figures of real images against real images, as a floor to read those of generated ones against.

    Attributes:
        figures: Figure by metric, of those in `WITH_REAL_SCORES`.
        count: Real images on the side where generated images would be.
        reference_count: Real images on the other side.
    """

    figures: dict[str, float]
    count: int
    reference_count: int


class Reference(RealFeatures):
    """The reference set of an evaluation and the scores of real images against it.

    Args:
        extractor: The network.
        images: All reference images [N, C, H, W], uint8.
        heldout: Held-out real images, uint8, of the same size. None has no floor.
        training: Images trained on, uint8, of the same size. None has no training score.
        metrics: Names of measures; real images are scored with those in `WITH_REAL_SCORES`.
        cache_dir: Where features are kept. None keeps none.
        batch: Images per call of the extractor. None takes the extractor's own.
        progress: Called with the number of reference images done.
        should_stop: Asked before each call of the extractor.

    Attributes:
        floor_side: The reference without the held-out images, which the floor was measured against,
            or None.
        scores: `RealScore` by "floor", "training", "halves"; those that can be had.

    Raises:
        Interrupted: If `should_stop` returned True.
        UserError: If there are fewer than two images.
        RunError: If a feature is not finite.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        images: np.ndarray,
        *,
        heldout: np.ndarray | None,
        training: np.ndarray | None,
        metrics: Sequence[str],
        cache_dir: Path | None,
        batch: int | None = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> None:
        def features_of(part: np.ndarray) -> Tensor:
            def compute() -> Tensor:
                return extract_features(
                    extractor,
                    array_batches(part, batch or extractor.batch),
                    batch=batch,
                    progress=progress if part is images else None,
                    should_stop=should_stop,
                )

            if cache_dir is None:
                return compute()
            return cached_features(cache_dir, cache_key(part, extractor), compute)

        super().__init__(features_of(images), extractor.device)
        check_features(self.features, "reference images")
        self._extractor = extractor
        self._scored = [metric for metric in metrics if metric in WITH_REAL_SCORES]
        self.floor_side: RealFeatures | None = None
        self.scores: dict[str, RealScore] = {}
        if not self._scored:
            return
        for name, part in (("floor", heldout), ("training", training)):
            if part is None or len(part) < 2:
                continue
            keep = torch.from_numpy(~contained_in(images, part))
            if int(keep.sum()) < 2:  # nothing is left to compare with
                continue
            rest = self.kept(
                keep, with_self_mean=drawn_part(len(self)) is None and "kid" in metrics
            )
            figures = self.scored(features_of(part), rest, f"{name} images")
            self.scores[name] = RealScore(figures, len(part), len(rest))
            if name == "floor":
                self.floor_side = rest
        if len(self) >= 4:
            self.scores["halves"] = self._halves_score()

    def scored(self, features: Tensor, side: RealFeatures, name: str) -> dict[str, float]:
        """Figures of some features against a part of the reference.

        Args:
            features: Features [M, F], float32.
            side: What they are compared with.
            name: What they are of, for error messages.

        Returns:
            Figure by metric, of those that real images are scored with and there are enough for.

        Raises:
            UserError: If there are fewer than two.
            RunError: If a feature is not finite.
        """
        other = features.to(self._device)
        check_features(other, name)
        figures = {}
        for metric in self._scored:
            # Two images are a distance, but have no third neighbour.
            with suppress(UserError):
                measure = MEASURES[metric]
                figures[metric] = bounded_figures(measure, other, side, self._extractor)[""]
        return figures

    def _halves_score(self) -> RealScore:
        generator = torch.Generator().manual_seed(HALVES_SEED)
        order = torch.randperm(len(self), generator=generator)
        count = min(len(self) // 2, HALF_LIMIT)
        first = RealFeatures(self.features[order[:count]], self._device)
        second = self.features[order[count : 2 * count]]
        return RealScore(self.scored(second, first, "reference images"), count, count)


def contained_in(images: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Which images occur, pixel for pixel, in another array.

    Args:
        images: Images [N, C, H, W], uint8.
        part: Images [M, D, H, W], uint8; with another number of channels none occurs.

    Returns:
        Booleans [N].

    Raises:
        UserError: If the images of the two differ in height or width.
    """
    if images.shape[2:] != part.shape[2:]:
        raise UserError(
            f"real images of shape {part.shape[1:]} are to be compared with a reference of shape "
            f"{images.shape[1:]}, but must be as large. Decode both at one resolution."
        )
    if images.shape[1] != part.shape[1]:
        return np.zeros(len(images), dtype=bool)
    known = {image_digest(image) for image in part}
    found = (image_digest(image) in known for image in images)
    return np.fromiter(found, dtype=bool, count=len(images))
