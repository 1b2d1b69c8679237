"""From a workload to the objects that train: networks, augmentation and what moves its probability."""

from typing import Any

import torch

from adavit.config import MAGNITUDES, OPERATIONS
from adavit.models.build import build_discriminator, build_generator
from adavit.randomness import seed_for
from adavit.training.average import GeneratorAverage
from adavit.training.step import AdversarialStep
from adavit.training.workload import Workload
from augment import AdaptiveProbability, AugmentPipe, FixedProbability
from augment.presets import DIFFAUG


def build_step(workload: Workload) -> AdversarialStep:
    """Networks, optimisers and augmentation of a run, drawn from its seed."""
    config = workload.config
    shape = {
        "resolution": config.data.resolution,
        "image_channels": workload.image_set.images.shape[1],
        "num_classes": workload.num_classes,
    }
    # Weights are drawn on the CPU, so that a run starts from the same ones on every device.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(config.run.seed, "weights", 0))
        generator = build_generator(config.generator, **shape)
        discriminator = build_discriminator(config.discriminator, **shape)
    training = config.training
    # On a CPU convolutions run about twice as fast in this layout.
    placed: dict[str, Any] = {"device": workload.device, "memory_format": torch.channels_last}
    generator, discriminator = generator.to(**placed), discriminator.to(**placed)
    return AdversarialStep(
        generator=generator,
        discriminator=discriminator,
        average=GeneratorAverage(
            generator, half_life_kimg=training.ema_half_life_kimg, ramp=training.ema_ramp
        ),
        pipe=build_pipe(config.augment).to(workload.device),
        generator_lr=training.generator_lr,
        discriminator_lr=training.discriminator_lr,
        betas=(training.adam_beta1, training.adam_beta2),
        warmup_images=1000 * training.warmup_kimg,
        r1_gamma=training.r1_gamma,
        r1_interval=training.r1_interval,
        microbatch=training.microbatch,
        autocast=torch.bfloat16 if training.precision == "bf16" else None,
    )


def build_pipe(augment: Any) -> AugmentPipe:
    """The augmentation pipe of a resolved `AugmentConfig`: every multiplier and magnitude is in it."""
    if augment.preset == DIFFAUG:
        return AugmentPipe.preset(DIFFAUG)
    return AugmentPipe(**{name: getattr(augment, name) for name in (*OPERATIONS, *MAGNITUDES)})


def build_probability(augment: Any) -> AdaptiveProbability | FixedProbability:
    """What decides p: adapted to overfitting, fixed, or 0. All of them measure r_t and r_v.

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
