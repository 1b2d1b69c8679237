"""An evaluation that several processes share: each embeds its part of the images, one of them scores all."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from adavit.metrics.extractors.extractor import Interrupted
from adavit.runtime.world import World

_INTERRUPTED = -1


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
    try:
        own = extract()
        length = len(own)
    except Interrupted:
        length = _INTERRUPTED
    lengths = [int(each) for each in world.gather(torch.tensor(length))]
    if _INTERRUPTED in lengths:
        raise Interrupted("stopped by one of the processes")
    # Messages have one shape.
    padded = own.new_zeros(max(lengths), own.shape[1])
    padded[:length] = own
    parts = zip(world.gather(padded), lengths, strict=True)
    return torch.cat([features[:count] for features, count in parts])


def decided(world: World, decide: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What rank 0 finds, on every process.

    Args:
        world: The processes.
        decide: Called on rank 0 alone; what it returns must be as JSON holds it.
    """
    found = decide() if world.rank == 0 else None
    told: dict[str, Any] = world.tell(found)
    return told if found is None else found
