"""Builds what is added to the adversarial losses from the section `training` of a resolved configuration."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from adavit.augment import AdaptiveProbability
from adavit.build.augmentation import build_pipe
from adavit.config.run import ResolvedConfig
from adavit.config.training import TrainingConfig
from adavit.features.critic import FeatureCritic
from adavit.models.names import Side
from adavit.models.resnet.chain import Chain
from adavit.training.objectives.chain import ChainControl
from adavit.training.objectives.consistency import (
    BalancedConsistency,
    LatentConsistency,
    LatentDiversity,
)
from adavit.training.objectives.distillation import Distillation
from adavit.training.objectives.feature_critic import FeatureObjective
from adavit.training.objectives.gradient_penalties import (
    ApproximatePenalty,
    Drift,
    ExactPenalty,
    InterpolatedPenalty,
)
from adavit.training.objectives.lecam import LeCam
from adavit.training.objectives.losses import LOSSES, TopK
from adavit.training.objectives.masked_patches import MaskedPatches
from adavit.training.objectives.path_length import PathLengthPenalty
from adavit.training.objectives.regularizer import Regularizer
from adavit.training.objectives.schedules import Cosine, Schedule
from adavit.training.passes.generated import StyleMixing
from adavit.training.passes.pseudo_augmentation import PseudoAugmentation


def build_extras(
    training: TrainingConfig,
    *,
    epoch_images: int,
    coarse: bool,
    teacher: nn.Module | None = None,
    chain: Chain | None = None,
) -> dict[str, Any]:
    """Keyword arguments of `AdversarialStep` for its optional parts, each of them off at a weight of 0.

    Args:
        training: Resolved.
        epoch_images: Training images of an epoch.
        coarse: Whether the networks' arithmetic rounds to less than float32 (bfloat16, TF32).
        teacher: Whose tokens are distilled at `training.distill_weight`; None: none.
        chain: Of the discriminator, if it has one.
    """
    regularizers = list(_regularizers(training, coarse, teacher))
    if chain is not None:
        regularizers.append(_chain_control(training, chain))
    return {
        "regularizers": regularizers,
        "mixing": StyleMixing(training.style_mixing) if training.style_mixing else None,
        "top_k": TopK(training.top_k, epoch_images) if training.top_k else None,
        "pseudo": _pseudo_augmentation(training) if training.apa_p_max else None,
    }


def build_objective(
    config: ResolvedConfig, critic: FeatureCritic, device: torch.device
) -> FeatureObjective:
    """What a critic beside the discriminator adds to the losses."""
    features, pipe = config.features, None
    if features.p is not None:
        pipe = build_pipe(config.augment).to(device)
        pipe.p.fill_(features.p)
    return FeatureObjective(
        critic,
        LOSSES[features.loss],
        weight=features.weight,
        pipe=pipe,
        interval=features.interval,
        start_images=1000 * features.start_kimg,
        vanishes_at=features.vanishes_at,
    )


def moving(training: TrainingConfig, start: float, end: float) -> Schedule:
    """The schedule of a value from the start to the end of `training.schedule_kimg`."""
    return Cosine(start, end, 1000 * training.schedule_kimg)


def _regularizers(
    training: TrainingConfig, coarse: bool, teacher: nn.Module | None
) -> Iterator[Regularizer]:
    """Those with a weight above 0, in a fixed order."""
    yield from _gradient_penalties(training, coarse)
    if training.gradient_penalty:
        yield InterpolatedPenalty(training.gradient_penalty)
    if training.drift:
        yield Drift(training.drift)
    if training.path_length:
        yield PathLengthPenalty(
            training.path_length, training.path_length_interval, training.path_length_decay
        )
    if training.bcr_real:
        yield BalancedConsistency("real", training.bcr_real)
    if training.bcr_generated:
        yield BalancedConsistency("generated", training.bcr_generated)
    if training.zcr_discriminator:
        yield LatentConsistency(training.zcr_discriminator, training.zcr_noise)
    if training.zcr_generator:
        yield LatentDiversity(training.zcr_generator, training.zcr_noise)
    if training.lecam:
        yield LeCam(training.lecam, training.lecam_decay)
    if training.masked_patch_weight:
        yield MaskedPatches(moving(training, training.masked_patch_weight, 0.0))
    if teacher is not None:
        yield Distillation(training.distill_weight, teacher)


def _gradient_penalties(training: TrainingConfig, coarse: bool) -> Iterator[Regularizer]:
    """R1 and R2."""
    rows: list[tuple[str, Side, float, int]] = [
        ("r1", "real", training.r1_gamma, training.r1_interval),
        ("r2", "generated", training.r2_gamma, training.r2_interval),
    ]
    for name, side, gamma, interval in rows:
        weight = moving(training, gamma / 2, gamma / 2 * training.final_gamma_factor)
        if gamma and training.penalty == "exact":
            yield ExactPenalty(name, side, weight, interval)
        elif gamma:
            # Coarse logits must be compared over a distance at which a one-sided difference is biased.
            yield ApproximatePenalty(
                name, side, weight, interval, sigma=training.penalty_sigma, central=coarse
            )


def _chain_control(training: TrainingConfig, chain: Chain) -> ChainControl:
    return ChainControl(
        chain,
        training.chain_weight,
        p0=training.chain_p0,
        target=training.chain_target,
        start_kimg=training.chain_start_kimg,
        speed_kimg=training.chain_speed_kimg,
    )


def _pseudo_augmentation(training: TrainingConfig) -> PseudoAugmentation:
    return PseudoAugmentation(
        AdaptiveProbability(
            heuristic="rt" if training.has_threshold else "relative",
            target=training.apa_target,
            speed_kimg=training.apa_speed_kimg,
            p_max=training.apa_p_max,
        )
    )
