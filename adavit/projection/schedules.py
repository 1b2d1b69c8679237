"""How a search for styles begins and ends (Karras et al. 2020, arXiv:1912.04958, appendix D)."""

import math

RAMP_UP = 0.05
"""Part of the steps over which the learning rate rises from 0."""

RAMP_DOWN = 0.25
"""Part of them at the end over which it falls to 0, along a cosine."""

NOISE = 0.05
"""Standard deviation of the noise on w at the first step, over that of w itself."""

NOISE_ENDS = 0.75
"""Part of the steps after which there is none."""


def rate_factor(done: float) -> float:
    """Factor on the learning rate.

    Args:
        done: Part of the steps that are done, in [0, 1].

    Returns:
        From 0 to 1: linear up over the first `RAMP_UP`, 1, and half a cosine down over the last `RAMP_DOWN`.
    """
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - done) / RAMP_DOWN))
    return down * min(1.0, done / RAMP_UP)


def noise_factor(done: float) -> float:
    """Standard deviation of the noise on w, over that of w: 0.05 t^2, where t falls from 1 to 0 over `NOISE_ENDS`.

    Args:
        done: As for `rate_factor`.
    """
    return NOISE * max(0.0, 1 - done / NOISE_ENDS) ** 2
