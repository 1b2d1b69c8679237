"""Whether a training is still sound: its networks have not diverged, and its figure has not collapsed."""

import math
from collections.abc import Mapping

from torch import nn

from adavit.metrics.names import HIGHER_IS_BETTER, metric_of

LARGEST_WEIGHT = 1e6
"""Beyond it a network has diverged. Weights start at about 1 (those of the mapping at 1 over their factor on
the learning rate, 100 on an accelerator) and stay within a few times that; at 1e6 a float32 step of 0.01 is
rounded away."""

SEVERAL = 3.0
"""A figure so many times worse than the best has collapsed, if it has lost half of the way there too. A run that
overfits to 200 images goes to 2 (`benchmarks/results/overfitting_200_images.md`: 1.8 to 3.6, from 17.1 at first)."""

LEAST_SHARE = 0.1
"""Of images: where more is better, a loss below it may be chance (a recall of .02 that falls to 0)."""

LEAST_KID = 0.01
"""A best one below counts as that: unbiased, it goes below 0, of which everything is a multiple. Of images against
others of the same set its deviation is .007 with 300 of them and .003 with 1,000, in features of drawn, where an
untrained network has 1.2; in features of random it is a twentieth of that."""


def has_collapsed(name: str, figure: float, *, first: float, best: float) -> bool:
    """Whether a figure tells that what was learnt is lost.

    It has collapsed if both hold: it is `SEVERAL` times worse than the best (a multiple of it, a fraction where more
    is better), and at least half of the way from the first one to the best is lost. The first one is of
    the untrained network, or of the one that training started from. The noise of the first evaluations,
    which lie close together, fails the first condition, and so does that of KID near 0, by `LEAST_KID`.

    Args:
        name: As recorded, such as "fd_random".
        figure: The new one; one that is not finite has collapsed, where the others are.
        first: At the start of the run.
        best: Of those before.

    Returns:
        False for `ppl`, which says nothing of likeness: the untrained network has the best.
    """
    metric = metric_of(name)
    if metric == "ppl" or not (math.isfinite(first) and math.isfinite(best)):
        return False
    if not math.isfinite(figure):
        return True
    if metric in HIGHER_IS_BETTER:
        lost, gained = best - figure, best - first
        return SEVERAL * figure <= best and lost >= max(gained / 2, LEAST_SHARE)
    lost, gained = figure - best, first - best
    least = LEAST_KID if metric in ("kid", "kid_subsets") else 0.0
    return figure >= SEVERAL * max(best, least) and lost > 0 and lost >= gained / 2


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
