"""Whether networks still hold what a training can go on from, or have diverged."""

import math
from collections.abc import Mapping

from torch import nn

LARGEST_WEIGHT = 1e6
"""Beyond it a network has diverged. Weights start at about 1 (those of the mapping at 1 over their factor on
the learning rate, 100 on an accelerator) and stay within a few times that; at 1e6 a float32 step of 0.01 is
rounded away."""


def ailment(networks: Mapping[str, nn.Module]) -> str:
    """What is wrong with weights and buffers: numbers that are not finite, or beyond `LARGEST_WEIGHT`.

    Args:
        networks: By what they are called. Not changed. Each costs one wait for its device.

    Returns:
        A clause about the first of them in which something is wrong; empty if all is well.
    """
    for name, network in networks.items():
        state = {k: v for k, v in network.state_dict().items() if v.is_floating_point()}
        # The largest of all is one reduction and one number to fetch; a NaN comes through it.
        largest = float(nn.utils.get_total_norm(state.values(), norm_type=math.inf))
        if not largest <= LARGEST_WEIGHT:
            wrong = next(
                key for key, value in state.items() if not value.abs().max() <= LARGEST_WEIGHT
            )
            return f"the weights of the {name} reach {largest:.3g} (in {wrong})"
    return ""
