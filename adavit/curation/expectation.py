"""What figures can be expected of a set: what its own images score, and what was measured on others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from adavit.metrics import RandomFeatures, extract_features, frechet_distance
from adavit.runtime.randomness import generator_for

MOST_IMAGES = 5000
FEWEST = 8
_ROWS = 250

MEASURED = (
    "A ResNet that saw 2,000 CIFAR-10 images for 16 to 20 minutes of one CPU core came to an FD of 10.3 to 11.0, with"
    " 200 of them to 19.5 to 24.0 (by a ResNet-56, another FD than this floor: benchmarks/results/feature_critic.md);"
    " other images can be easier or far harder."
)
"""One sentence from the tables of this repository."""


@dataclass(frozen=True)
class Floor:
    """What real images score against as many other real images of the set.

    Attributes:
        half: Images on each side.
        fd_random: Frechet distance between the features of the toolkit's random network.
    """

    half: int
    fd_random: float


def floor_of(images: np.ndarray, indices: Sequence[int], *, seed: int = 0) -> Floor | None:
    """The score of one half of some images against the other.

    It compares with as many generated images against as many real ones, at the same size in pixels: of fewer images the
    distance is larger, so that a run, which takes more of both, scores lower at the same quality.

    Args:
        images: uint8 [N, C, H, W]; may be memory-mapped.
        indices: Of which: one of each group of copies, which would make the halves alike.
        seed: Of the halves, and of the `MOST_IMAGES` that are drawn of more.

    Returns:
        The floor; None of fewer than `FEWEST` images.
    """
    if len(indices) < FEWEST:
        return None
    order = torch.randperm(len(indices), generator=generator_for(seed, "halves of a set", 0))
    drawn = np.asarray(indices)[order[:MOST_IMAGES].numpy()]
    half = len(drawn) // 2
    first, second = (
        extract_features(
            RandomFeatures(),
            (
                torch.from_numpy(np.array(images[part[start : start + _ROWS]]))
                for start in range(0, len(part), _ROWS)
            ),
        )
        for part in (drawn[:half], drawn[half : 2 * half])
    )
    return Floor(half, frechet_distance(first, second))
