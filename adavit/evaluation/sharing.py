"""An evaluation that several processes share: each embeds its part of the images, one of them scores all.

They tell each other features, not the sums that a Frechet distance needs (n, sum f, sum f f^T in float64): KID and
precision need features anyway, the score beside the floor is of the first images alone, and of up to 2F images their
float32 features are fewer bytes than one such matrix [F, F] (2F is 4,096 for Inception; 5,000 images are the default).
"""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from adavit.metrics.extractors.extractor import Interrupted
from adavit.runtime.world import World, rows_of_all


def features_of_all(world: World, extract: Callable[[], Tensor]) -> Tensor:
    """The features of all images, in their order, on every process.

    Args:
        world: The processes.
        extract: Gives the features [n, F] of the images of this one, on the CPU; rank 0 has the first images. May
            raise `Interrupted`.

    Returns:
        Features [N, F]: the rows do not depend on which process computed them.

    Raises:
        Interrupted: On all processes, if it was raised on one.
    """
    if world.size == 1:
        return extract()
    own = None
    with contextlib.suppress(Interrupted):
        own = extract()
    was_interrupted = torch.stack(world.gather(torch.tensor(own is None)))
    if own is None or was_interrupted.any():
        raise Interrupted("stopped by one of the processes")
    return torch.cat(rows_of_all(world, own))


def decided(world: World, decide: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What rank 0 finds, on every process.

    Args:
        world: The processes.
        decide: Called on rank 0 alone; what it returns must be as JSON holds it.
    """
    found = decide() if world.rank == 0 else None
    told: dict[str, Any] = world.tell(found)
    return told if found is None else found
