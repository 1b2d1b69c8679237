"""From a workload to the objects that train: networks, augmentation and what moves its probability."""

from typing import Any

import torch
from torch import nn

from adavit.augment import AdaptiveProbability, AugmentPipe, FixedProbability, ScheduledProbability
from adavit.augment.presets import DIFFAUG
from adavit.config.run import MAGNITUDES, OPERATIONS, RunConfig
from adavit.config.training import TrainingConfig
from adavit.models import Generator
from adavit.models.build import build_discriminator, build_generator
from adavit.runtime.randomness import seed_for
from adavit.training.objectives.build import build_extras, moving
from adavit.training.objectives.losses import LOSSES
from adavit.training.objectives.masked_patches import add_head
from adavit.training.objectives.schedules import Schedule
from adavit.training.start.freeze import freeze_lower_layers
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.average import GeneratorAverage


def build_step(workload: Workload) -> AdversarialStep:
    """Networks, optimisers and augmentation of a run, drawn from its seed."""
    config = workload.config
    training = config.training
    generator, discriminator = build_networks(
        config,
        image_channels=workload.image_set.images.shape[1],
        num_classes=workload.num_classes,
    )
    freeze_lower_layers(discriminator, training.freeze_d)
    # On a CPU convolutions run about twice as fast in this layout.
    placed: dict[str, Any] = {"device": workload.device, "memory_format": torch.channels_last}
    generator, discriminator = generator.to(**placed), discriminator.to(**placed)
    # Convolutions on a CUDA device are done in TF32 when nothing else is asked for.
    coarse = training.precision == "bf16" or workload.device.type == "cuda"
    return AdversarialStep(
        generator=generator,
        discriminator=discriminator,
        average=GeneratorAverage(
            generator, half_life_kimg=_half_life_kimg(training), ramp=training.ema_ramp
        ),
        pipe=build_pipe(config.augment).to(workload.device),
        generator_lr=_rate(training, training.generator_lr),
        discriminator_lr=_rate(training, training.discriminator_lr),
        betas=(training.adam_beta1, _beta2(training)),
        warmup_images=1000 * training.warmup_kimg,
        microbatch=training.microbatch,
        autocast=torch.bfloat16 if training.precision == "bf16" else None,
        loss=LOSSES[training.loss],
        compiled=training.compile,
        **build_extras(training, epoch_images=len(workload.split.train), coarse=coarse),
    )


def build_networks(
    config: RunConfig, *, image_channels: int, num_classes: int
) -> tuple[Generator, nn.Module]:
    """Generator and discriminator as a run starts with them, on the CPU.

    Weights are drawn there from the run's seed, so that they are the same whatever the device.

    Args:
        config: Resolved.
        image_channels: Channels of the images.
        num_classes: Number of classes; 0 for unconditional networks.
    """
    shape = {
        "resolution": config.data.resolution,
        "image_channels": image_channels,
        "num_classes": num_classes,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(config.run.seed, "weights", 0))
        generator = build_generator(config.generator, **shape)
        discriminator = build_discriminator(config.discriminator, **shape)
        if config.training.masked_patch_weight:
            add_head(discriminator)
    return generator, discriminator


def _rate(training: TrainingConfig, start: float) -> Schedule:
    return moving(training, start, start * training.final_lr_factor)


def _beta2(training: TrainingConfig) -> Schedule:
    end = training.adam_beta2 if training.final_beta2 is None else training.final_beta2
    return moving(training, training.adam_beta2, end)


def _half_life_kimg(training: TrainingConfig) -> Schedule:
    end = training.ema_half_life_kimg
    return moving(training, end * training.initial_ema_factor, end)


def build_pipe(augment: Any) -> AugmentPipe:
    """The augmentation pipe of a resolved `AugmentConfig`: every multiplier and magnitude is in it."""
    if augment.preset == DIFFAUG:
        return AugmentPipe.preset(DIFFAUG)
    return AugmentPipe(**{name: getattr(augment, name) for name in (*OPERATIONS, *MAGNITUDES)})


def build_probability(
    augment: Any, *, threshold_at_zero: bool = True
) -> AdaptiveProbability | FixedProbability | ScheduledProbability:
    """What decides p: adapted to overfitting, fixed, scheduled, or 0. All of them measure r_t and r_v.

    Args:
        augment: A resolved `AugmentConfig`.
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
        return ScheduledProbability(augment.initial_p, augment.p, augment.schedule_kimg)
    return FixedProbability(augment.p if augment.mode == "fixed" else 0.0)
