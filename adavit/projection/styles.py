"""Where a search for styles begins, and how far styles lie from there."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.generation.sampling import LabelStream
from adavit.models import Generator
from adavit.runtime.randomness import generator_for, seed_for

DRAWN = 10_000
"""Styles of random latents whose mean is the start."""

_AT_A_TIME = 1000


@dataclass(frozen=True)
class StyleCloud:
    """Styles of random latents, by two figures.

    Attributes:
        mean: [W].
        spread: Root mean square of their distances to it, sigma_w of arXiv:1912.04958, appendix D.
    """

    mean: Tensor
    spread: float


@torch.no_grad()
def style_cloud(
    generator: Generator,
    *,
    class_index: int | None,
    label_counts: Sequence[int] | None,
    seed: int,
) -> StyleCloud:
    """Mean and spread of `DRAWN` styles.

    Args:
        generator: In evaluation mode.
        class_index: Class of a conditional generator; None takes all, as often as `label_counts` has them.
        label_counts: Training images of each class; None takes all alike.
        seed: Start of the random streams.
    """
    device = generator.w_average.device
    stream = generator_for(seed, "styles", 0)
    counts = label_counts or [1] * generator.num_classes
    labels = LabelStream.of(generator, counts, seed_for(seed, "classes of styles", 0))
    drawn = []
    for _ in range(0, DRAWN, _AT_A_TIME):
        latents = torch.randn(_AT_A_TIME, generator.latent_dim, generator=stream)
        numbers = None if labels is None else labels.draw(_AT_A_TIME)
        if numbers is not None and class_index is not None:
            numbers = torch.full_like(numbers, class_index)
        moved = None if numbers is None else numbers.to(device)
        drawn.append(generator.mapping(latents.to(device), moved).double())
    styles = torch.cat(drawn)
    mean = styles.mean(dim=0)
    spread = (styles - mean).square().sum(dim=1).mean().sqrt()
    return StyleCloud(mean.float(), float(spread))
