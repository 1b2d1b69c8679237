"""Pivotal tuning: the generator itself is taught to draw an image at the styles found for it."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from adavit.models import Generator
from adavit.projection.distance import Distance

RATE = 3e-4
"""Learning rate of Adam."""


def tuned_generator(
    generator: Generator,
    w: Tensor,
    target: Tensor,
    distance: Distance,
    *,
    steps: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[Generator, float]:
    """Trains a copy of a generator to draw an image (Roich et al. 2021, arXiv:2106.05744, section 3.2).

    Without the paper's regularisation of styles nearby, and of one image: so it is the same whatever others there
    are.

    Args:
        generator: In evaluation mode. Not modified.
        w: Styles of each layer [1, L, W], which stay as they are.
        target: Image [1, C, R, R] in [-1, 1].
        distance: What is made small; pixels are part of it.
        steps: Of Adam, at least 1.
        progress: Told how many are done.

    Returns:
        The copy, in evaluation mode and without gradients, and its distance to the target. The networks of the
        distance are among those that the copy was judged through.
    """
    tuned = copy.deepcopy(generator)
    tuned.discriminator_saw = tuple(
        dict.fromkeys((*generator.discriminator_saw, *distance.networks))
    )
    tuned.synthesis.requires_grad_(True)
    optimizer = torch.optim.Adam(tuned.synthesis.parameters(), lr=RATE)
    with torch.no_grad():
        wanted = distance.of(target)
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        distance.between(tuned.synthesis(w), wanted).sum().backward()
        optimizer.step()
        if progress is not None:
            progress(step + 1)
    tuned.requires_grad_(False)
    return tuned, float(distance.between(tuned.synthesis(w), wanted))
