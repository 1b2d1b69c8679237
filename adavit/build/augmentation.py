"""From the section `augment` of a configuration to the pipe, and to what moves its probability."""

from adavit.augment import (
    AdaptiveProbability,
    AugmentPipe,
    FixedProbability,
    Pipe,
    ScheduledProbability,
    make_pipe,
)
from adavit.augment.pipeline import MAGNITUDES, OPERATIONS
from adavit.augment.presets import DIFFAUG
from adavit.config.augment import AugmentConfig


def build_pipe(augment: AugmentConfig) -> Pipe:
    """The augmentation pipe of a run."""
    if augment.preset == DIFFAUG:
        return make_pipe(DIFFAUG)
    return AugmentPipe(**{name: getattr(augment, name) for name in (*OPERATIONS, *MAGNITUDES)})


def build_probability(
    augment: AugmentConfig, *, threshold_at_zero: bool = True
) -> AdaptiveProbability | FixedProbability | ScheduledProbability:
    """What decides p: adapted to overfitting, fixed, scheduled, or 0. All of them measure r_t and r_v.

    Args:
        augment: The section.
        threshold_at_zero: Whether the sign of a logit means something under the loss.
    """
    if augment.mode == "ada":
        return AdaptiveProbability(
            heuristic=augment.heuristic,
            target=augment.target,
            speed_kimg=augment.speed_kimg,
            initial=augment.initial_p,
            p_max=augment.p_max,
            threshold_at_zero=threshold_at_zero,
        )
    if augment.mode == "scheduled":
        assert augment.p is not None
        assert augment.schedule_kimg is not None
        return ScheduledProbability(augment.initial_p, augment.p, augment.schedule_kimg)
    return FixedProbability(augment.p or 0.0)
