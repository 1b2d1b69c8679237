"""How near images come to the training images, in features and in pixels, against how near those are to each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.diagnostics.memorisation.chosen_images import ChosenImages, visible
from adavit.metrics import FeatureExtractor, extract_features
from adavit.metrics.extractors.extractor import images_per_call
from adavit.metrics.intervals import newcombe_interval, wilson_interval
from adavit.metrics.neighbours import Nearest, Vectors, block_rows, nearest


@dataclass(frozen=True)
class Space:
    """A space in which images are compared as vectors: features or pixels.

    Attributes:
        name: "features" or "pixels".
        unit: What a distance in it is.
        embed: Images to vectors [N, D], with what the images are for the console.
        scale: Factor from the Euclidean distance of D-dimensional vectors to the unit, given D.
    """

    name: str
    unit: str
    embed: Callable[[ChosenImages, str], Vectors]
    scale: Callable[[int], float]


def feature_space(extractor: FeatureExtractor, activity: Callable[[str, int, int], None]) -> Space:
    """The space of a network's features: near are images of like content, whatever their pixels.

    Args:
        extractor: The network.
        activity: Told how it goes, as `Console.activity`.
    """

    def embed(images: ChosenImages, kind: str) -> Tensor:
        text = f"features of {kind}"
        size = images_per_call(extractor.batch, images.images.shape)
        batches = (images[rows] for rows in torch.arange(len(images)).split(size))
        return extract_features(
            extractor, batches, progress=lambda done: activity(text, done, len(images))
        )

    return Space("features", f"Euclidean, {extractor.name} features", embed, lambda _: 1.0)


def pixel_space() -> Space:
    """The space of pixels, RGBA on black: near are images that agree at every position."""
    unit = "root mean square, grey levels"
    return Space("pixels", unit, lambda images, _: _PixelVectors(images), lambda size: size**-0.5)


@dataclass(frozen=True)
class _PixelVectors:
    """The pixels of images as vectors, uint8 [N, D]."""

    images: ChosenImages
    dtype = torch.uint8

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.images), self[:1].shape[1]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        return visible(self.images[rows]).flatten(1)


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

    vectors: Vectors
    owners: Tensor
    is_mirrored: Tensor

    @classmethod
    def embed(cls, images: ChosenImages, space: Space, *, mirror: bool) -> "TrainingSet":
        """Puts images, and with `mirror` their flips, into a space."""
        both = images.with_flips() if mirror else images
        kind = "training images, flipped too" if mirror else "training images"
        owners = torch.arange(len(both)) % len(images)
        return cls(space.embed(both, kind), owners, both.mirrored)


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


def distances_to_training(vectors: Vectors, training: TrainingSet, space: Space) -> Distances:
    """Nearest training image of each vector [Q, D]."""
    return _distances(nearest(vectors, training.vectors), training, space, vectors.shape[1])


def leave_one_out(training: TrainingSet, chosen: Tensor, space: Space) -> Distances:
    """Nearest other training image of some training images.

    Args:
        training: At least two images.
        chosen: Their positions, int64 [Q]; flips of an image are not other images.
        space: As the vectors are in.
    """
    size = training.vectors.shape[1]
    # In parts: the vectors of all of them need not fit into memory.
    found = [
        nearest(
            training.vectors[some],
            training.vectors,
            query_owners=some,
            reference_owners=training.owners,
        )
        for some in chosen.split(block_rows(size))
    ]
    together = Nearest(
        torch.cat([each.distances for each in found]), torch.cat([each.indices for each in found])
    )
    return _distances(together, training, space, size)


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


def closer_more_often(generated: dict[str, Any], heldout: dict[str, Any]) -> list[float]:
    """The 95% interval (Newcombe 1998) of how much larger the share of close images is among generated ones.

    Args:
        generated: As `summarise` gives it.
        heldout: Likewise, of real images that were not trained on.
    """
    counted = [(side["closer"], side["images"]) for side in (generated, heldout)]
    return [round(end, DIGITS) for end in newcombe_interval(*counted, z=QUANTILE)]


def _distances(found: Nearest, training: TrainingSet, space: Space, size: int) -> Distances:
    return Distances(
        values=(found.distances * space.scale(size)).numpy(),
        owners=training.owners[found.indices].numpy(),
        is_mirrored=training.is_mirrored[found.indices].numpy(),
    )
