"""Centres of the styles of a generator, by k-means, for truncation that keeps the kinds of things apart.

Truncated towards their one average, images of many kinds of things become alike; towards the nearest of several
centres (Mokady et al. 2022, arXiv:2202.12211) they stay what they are.
"""

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.metrics.reference_cache import cached_features
from adavit.models import Generator
from adavit.runtime.randomness import generator_for
from adavit.styles.classes import ClassChoice
from adavit.styles.numbers import MOST_CENTRES
from adavit.styles.seeds import DRAWS, random_styles

STARTS = 3
"""Times that k-means begins anew; the best result is taken."""

STEPS = 100
"""Of each, at most."""

_VERSION = 1  # raise it when this code finds other centres


def style_centres(
    generator: Generator, choice: ClassChoice, count: int, *, seed: int = 0, cache_dir: Path
) -> Tensor:
    """Centres of `DRAWS` random styles; found once for a generator and then read from the cache.

    Args:
        generator: In evaluation mode.
        choice: The classes that styles are drawn of.
        count: How many, K.
        seed: Of the draws and of k-means.
        cache_dir: As `adavit.runtime.cache_folder.default_cache_dir`.

    Returns:
        [K, W], float32, on the CPU, the centre of most styles first.

    Raises:
        UserError: If K is out of range.
    """
    if not 1 <= count <= MOST_CENTRES:
        raise UserError(
            f"--truncation-centres is {count}, expected a number from 1 to {MOST_CENTRES}. Try 16."
        )
    depends = {
        "mapping": tensors_digest(generator.mapping.state_dict()),
        "classes": [choice.index, None if choice.weights is None else list(choice.weights)],
        "centres": [count, DRAWS, STARTS, STEPS, seed],
        "version": _VERSION,
    }
    key = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()
    return cached_features(
        cache_dir,
        key,
        lambda: k_means(random_styles(generator, choice, count=DRAWS, seed=seed), count, seed=seed),
    )


def k_means(points: Tensor, count: int, *, seed: int) -> Tensor:
    """Centres of points: Lloyd's steps from k-means++ (Arthur and Vassilvitskii 2007), the best of `STARTS`.

    Args:
        points: [N, F], N >= count. Not modified.
        count: How many, K.
        seed: Of the draws of the starts.

    Returns:
        [K, F] of the points' type; the centre of most points first.
    """
    stream = generator_for(seed, "k-means", 0)
    found = [_descend(points, _spread(points, count, stream)) for _ in range(STARTS)]
    centres, nearest, _ = min(found, key=lambda each: each[2])
    sizes = nearest.bincount(minlength=count)
    return centres[sizes.argsort(descending=True, stable=True)]


def _spread(points: Tensor, count: int, stream: torch.Generator) -> Tensor:
    """First centres: each a point, drawn in proportion to its squared distance from those before."""
    chosen = [int(torch.randint(len(points), (1,), generator=stream))]
    distances = _squared_distances(points, points[chosen])[:, 0]
    while len(chosen) < count:
        # Where all points are centres already, any will do.
        weights = distances if distances.sum() > 0 else torch.ones_like(distances)
        chosen.append(int(torch.multinomial(weights, 1, generator=stream)))
        newest = _squared_distances(points, points[chosen[-1:]])[:, 0]
        distances = torch.minimum(distances, newest)
    return points[chosen]


def _descend(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor, float]:
    """Centres [K, F] after Lloyd's steps, the nearest of each point [N], and the sum of squared distances."""
    nearest = torch.full((len(points),), -1)
    for _ in range(STEPS):
        distances, now = _squared_distances(points, centres).min(dim=1)
        if torch.equal(now, nearest):
            break
        nearest = now
        sizes = nearest.bincount(minlength=len(centres))
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        # A centre without points stays where it is.
        means = sums / sizes.clamp_min(1)[:, None].to(points.dtype)
        centres = torch.where(sizes[:, None] > 0, means, centres)
    return centres, nearest, float(distances.sum())


def _squared_distances(points: Tensor, centres: Tensor) -> Tensor:
    """[N, K], exactly 0 between equal ones where there is one centre."""
    if len(centres) == 1:
        return (points - centres).square().sum(dim=1, keepdim=True)
    return torch.cdist(points, centres).square()
