"""From the `augment` section of a configuration to the pipe and to what moves its probability."""

from typing import Any

from adavit.config import MAGNITUDES, OPERATIONS
from augment import AdaptiveProbability, AugmentPipe, FixedProbability


def build_pipe(augment: Any) -> AugmentPipe:
    """The augmentation pipe: a preset, with single operations and magnitudes replaced.

    Args:
        augment: A resolved `AugmentConfig`.
    """
    names = (*OPERATIONS, *MAGNITUDES)
    given = {name: getattr(augment, name) for name in names if getattr(augment, name) is not None}
    return AugmentPipe.preset(augment.preset, **given)


def build_probability(augment: Any) -> AdaptiveProbability | FixedProbability:
    """What decides p: adapted to overfitting, fixed, or 0. All three measure r_t and r_v.

    Args:
        augment: A resolved `AugmentConfig`.
    """
    if augment.mode == "ada":
        return AdaptiveProbability(
            heuristic=augment.heuristic,
            target=augment.target,
            speed_kimg=augment.speed_kimg,
            initial=augment.initial_p,
            p_max=augment.p_max,
        )
    return FixedProbability(augment.p if augment.mode == "fixed" else 0.0)
