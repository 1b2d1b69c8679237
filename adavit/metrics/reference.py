"""The real side of an evaluation: features of the reference, and what real images score against it.

A distance means little without its floor. Real images of the same data never score 0, since a
Frechet distance is biased upwards by small numbers of images on either side. Three figures of real
images are taken, each with its counts:

floor      held-out images against the reference without them (also without equal copies of them)
training   the same for the images trained on, where they are a part of the reference: what a
           perfect copy would score
halves     two random halves of the reference against each other (at most 5,000 images each)
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.metrics.distances import (
    GaussianStatistics,
    check_features,
    frechet_distance,
    frechet_distance_of,
    gaussian_statistics,
    kernel_distance,
    kernel_self_mean,
    kernel_self_mean_of_rest,
)
from adavit.metrics.extraction import Progress, ShouldStop, array_batches, extract_features
from adavit.metrics.features import FeatureExtractor
from adavit.metrics.reference_cache import cache_key, cached_features

HALF_LIMIT = 5000
HALVES_SEED = 0


@dataclass(frozen=True)
class RealScore:
    """What real images score.

    Attributes:
        distances: Distance by metric ("fid", "kid").
        count: Real images on the side where generated images would be.
        reference_count: Real images on the other side.
    """

    distances: dict[str, float]
    count: int
    reference_count: int


class Side:
    """Features of real images, with the terms of a distance that depend on them alone.

    Args:
        features: Features [N, F], float32.
        metrics: Of "fid", "kid".
        device: Where distances are computed; float64 must exist there.
    """

    def __init__(self, features: Tensor, metrics: Sequence[str], device: torch.device) -> None:
        self.features = features
        self._metrics = tuple(metrics)
        self._device = device
        self._statistics: GaussianStatistics | None = None
        self._self_mean: float | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def statistics(self) -> GaussianStatistics:
        """Mean and covariance, computed once."""
        if self._statistics is None:
            self._statistics = gaussian_statistics(self._on_device(), "reference images")
        return self._statistics

    @property
    def self_mean(self) -> float:
        """Mean kernel between different images, computed once: 50,000 images take half a minute."""
        if self._self_mean is None:
            self._self_mean = kernel_self_mean(self._on_device(), "reference images")
        return self._self_mean

    def kept(self, keep: Tensor) -> "Side":
        """Some of the images as a side of their own.

        Args:
            keep: Which ones, booleans [N], at least two True.

        Returns:
            The side; `self` where all are kept.
        """
        if bool(keep.all()):
            return self
        rest = Side(self.features[keep], self._metrics, self._device)
        if "kid" in self._metrics:
            rest._self_mean = kernel_self_mean_of_rest(
                self._on_device(), keep.to(self._device), self.self_mean
            )
        return rest

    def distances(self, features: Tensor, side: str) -> dict[str, float]:
        """Distance of other features to these.

        Args:
            features: Features [M, F], float32.
            side: What they are of, for error messages.

        Returns:
            Distance by metric.

        Raises:
            UserError: If a side has fewer than two images.
            RunError: If a feature is not finite.
        """
        other = features.to(self._device)
        check_features(other, side)
        result = {}
        for metric in self._metrics:
            if metric == "fid":
                result[metric] = frechet_distance_of(self.statistics, gaussian_statistics(other))
            else:
                result[metric] = kernel_distance(
                    other, self._on_device(), self_mean_b=self.self_mean
                )
        return result

    def _on_device(self) -> Tensor:
        return self.features.to(self._device)


class Reference(Side):
    """The reference set of an evaluation and the scores of real images against it.

    Args:
        extractor: The network.
        images: All reference images [N, C, H, W], uint8.
        heldout: Held-out real images, uint8, of the same size. None has no floor.
        training: Images trained on, uint8, of the same size. None has no training score.
        metrics: Of "fid", "kid".
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

        super().__init__(features_of(images), metrics, extractor.device)
        check_features(self.features, "reference images")
        self.floor_side: Side | None = None
        self.scores: dict[str, RealScore] = {}
        for name, part in (("floor", heldout), ("training", training)):
            if part is None or len(part) < 2:
                continue
            keep = torch.from_numpy(~contained_in(images, part))
            if int(keep.sum()) < 2:  # nothing is left to compare with
                continue
            rest = self.kept(keep)
            distances = rest.distances(features_of(part), f"{name} images")
            self.scores[name] = RealScore(distances, len(part), len(rest))
            if name == "floor":
                self.floor_side = rest
        if len(self) >= 4:
            self.scores["halves"] = self._halves_score()

    def _halves_score(self) -> RealScore:
        generator = torch.Generator().manual_seed(HALVES_SEED)
        order = torch.randperm(len(self), generator=generator)
        count = min(len(self) // 2, HALF_LIMIT)
        first = self.features[order[:count]].to(self._device)
        second = self.features[order[count : 2 * count]].to(self._device)
        measures = {"fid": frechet_distance, "kid": kernel_distance}
        distances = {metric: measures[metric](first, second) for metric in self._metrics}
        return RealScore(distances, count, count)


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
            f"{images.shape[1:]}, but must be as large. Decode both with the same --resolution."
        )
    if images.shape[1] != part.shape[1]:
        return np.zeros(len(images), dtype=bool)
    known = {_image_digest(image) for image in part}
    found = (_image_digest(image) in known for image in images)
    return np.fromiter(found, dtype=bool, count=len(images))


def _image_digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
