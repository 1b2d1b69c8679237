"""Builds the augmentation pipe and the control of its probability p from the section `augment` of a configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from adavit.augment import (
    AdaptiveProbability,
    AugmentPipe,
    FixedProbability,
    Pipe,
    ScheduledProbability,
    make_pipe,
)
from adavit.augment.kornia_operations import check_operation, kornia_operation
from adavit.augment.presets import DIFFAUG
from adavit.augment.settings import MAGNITUDES, OPERATIONS, STRENGTHENED
from adavit.config.augment import AugmentConfig, ExtraOperation
from adavit.errors import UserError


def build_pipe(augment: AugmentConfig) -> Pipe:
    """The augmentation pipe of a run."""
    extra = [extra_operation(each) for each in augment.extra]
    if augment.preset == DIFFAUG:
        return make_pipe(DIFFAUG, extra=extra)
    settings = {name: getattr(augment, name) for name in (*OPERATIONS, *MAGNITUDES)}
    return AugmentPipe(extra=extra, **settings)


def single_operation(
    name: str, magnitudes: Mapping[str, Any], *, strength: float = 1.0
) -> AugmentPipe:
    """One of our operations alone, for every image.

    Args:
        name: Of `adavit.augment.settings.OPERATIONS`.
        magnitudes: By name; those left out are the published ones.
        strength: Multiplier times p, for an operation that p makes stronger.
    """
    multiplier = strength if name in STRENGTHENED else 1.0
    return AugmentPipe(**{name: multiplier, **magnitudes})


def extra_operation(extra: ExtraOperation) -> tuple[nn.Module, float]:
    """An operation of kornia and its multiplier of p."""
    return kornia_operation(extra.operation, extra.p, **extra.keywords)


def check_extra_operations(pipe: Pipe, shape: Sequence[int], *, twice: bool) -> None:
    """Tries the extra operations of a pipe on images as those of the run.

    Args:
        pipe: From `build_pipe`.
        shape: Of an image, (C, H, W).
        twice: Whether gradients of the discriminator are differentiated again.

    Raises:
        UserError: If one cannot be trained through.
    """
    for operation in pipe.extra.modules_among_them:
        try:
            check_operation(operation, shape, twice=twice)
        except ValueError as error:
            raise UserError(f"augment.extra: {error}") from None


def build_probability(
    augment: AugmentConfig, *, threshold_at_zero: bool = True
) -> AdaptiveProbability | FixedProbability | ScheduledProbability:
    """Builds the control of p: adaptive, fixed, scheduled, or fixed at 0. All of them measure r_t and r_v.

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
