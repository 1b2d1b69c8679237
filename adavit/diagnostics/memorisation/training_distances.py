"""How near images come to the training images, in features and in pixels, against how near those are to each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.metrics import FeatureExtractor, as_rgb, extract_features
from adavit.metrics.intervals import wilson_interval
from adavit.metrics.neighbours import Nearest, nearest


@dataclass(frozen=True)
class Space:
    """A space in which images are compared as vectors: features or pixels.

    Attributes:
        name: "features" or "pixels".
        unit: What a distance in it is.
        embed: Images uint8 [N, C, R, R] to vectors [N, D], with what the images are for the console.
        scale: Factor from the Euclidean distance of D-dimensional vectors to the unit, given D.
    """

    name: str
    unit: str
    embed: Callable[[Tensor, str], Tensor]
    scale: Callable[[int], float]


def feature_space(extractor: FeatureExtractor, activity: Callable[[str, int, int], None]) -> Space:
    """The space of a network's features: near are images of like content, whatever their pixels.

    Args:
        extractor: The network.
        activity: Told how it goes, as `Console.activity`.
    """

    def embed(images: Tensor, kind: str) -> Tensor:
        text = f"features of {kind}"
        return extract_features(
            extractor, [images], progress=lambda done: activity(text, done, len(images))
        )

    return Space("features", f"Euclidean, {extractor.name} features", embed, lambda _: 1.0)


def pixel_space() -> Space:
    """The space of pixels, RGBA on black: near are images that agree at every position."""

    def embed(images: Tensor, kind: str) -> Tensor:
        return (as_rgb(images) if images.shape[1] == 4 else images).flatten(1)

    return Space("pixels", "root mean square, grey levels", embed, lambda size: size**-0.5)


PERCENTILE = 1.0
"""Of the leave-one-out distances: what is nearer counts as close."""

QUANTILE = 1.959964
"""Of the normal distribution, for an interval of 95%."""

DIGITS = 6


@dataclass(frozen=True)
class TrainingSet:
    """Vectors of the images trained on.

    Attributes:
        vectors: [R, D]; with flips the flipped ones after the others.
        owners: Position of the image that each comes from, int64 [R].
        is_mirrored: Whether each is flipped, bool [R].
    """

    vectors: Tensor
    owners: Tensor
    is_mirrored: Tensor

    @classmethod
    def embed(cls, images: Tensor, space: Space, *, mirror: bool) -> "TrainingSet":
        """Puts images, uint8 [N, C, R, R], and with `mirror` their flips into a space."""
        vectors = space.embed(images, "training images")
        owners = torch.arange(len(images))
        if not mirror:
            return cls(vectors, owners, torch.zeros(len(images), dtype=torch.bool))
        flipped = space.embed(images.flip(-1), "flipped training images")
        return cls(
            torch.cat([vectors, flipped]),
            owners.repeat(2),
            torch.arange(2 * len(images)) >= len(images),
        )


@dataclass(frozen=True)
class Distances:
    """Nearest training image of each image, in the unit of the space.

    Attributes:
        values: float64 [Q].
        owners: Position of the training image, int64 [Q].
        is_mirrored: Whether it is nearest when flipped, bool [Q].
    """

    values: np.ndarray
    owners: np.ndarray
    is_mirrored: np.ndarray


def distances_to_training(vectors: Tensor, training: TrainingSet, space: Space) -> Distances:
    """Nearest training image of each vector [Q, D]."""
    return _distances(nearest(vectors, training.vectors), training, space, vectors.shape[1])


def leave_one_out(training: TrainingSet, chosen: Tensor, space: Space) -> Distances:
    """Nearest other training image of some training images.

    Args:
        training: At least two images.
        chosen: Their positions, int64 [Q]; flips of an image are not other images.
        space: As the vectors are in.
    """
    found = nearest(
        training.vectors[chosen],
        training.vectors,
        query_owners=chosen,
        reference_owners=training.owners,
    )
    return _distances(found, training, space, training.vectors.shape[1])


def summarise(distances: Distances, threshold: float) -> dict[str, Any]:
    """Counts and the median, for JSON.

    Args:
        distances: Of some images.
        threshold: Distances below it count as close.

    Returns:
        The share of close images with its 95% interval (Wilson 1927), and the median distance.
    """
    count = len(distances.values)
    closer = int((distances.values < threshold).sum())
    low, high = wilson_interval(closer, count, z=QUANTILE)
    return {
        "images": count,
        "closer": closer,
        "share_closer": closer / count,
        "share_interval": [round(low, DIGITS), round(high, DIGITS)],
        "median": round(float(np.median(distances.values)), DIGITS),
    }


def _distances(found: Nearest, training: TrainingSet, space: Space, size: int) -> Distances:
    return Distances(
        values=(found.distances * space.scale(size)).numpy(),
        owners=training.owners[found.indices].numpy(),
        is_mirrored=training.is_mirrored[found.indices].numpy(),
    )
