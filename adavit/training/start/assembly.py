"""The step of a run put together from its networks and its settings: the one that trains, and the one imagined."""

from collections.abc import Callable

import torch
from torch import nn

from adavit.augment import Pipe
from adavit.config.run import ResolvedConfig
from adavit.config.training import TrainingConfig
from adavit.features.critic import FeatureCritic
from adavit.models import Generator, ResNetDiscriminator
from adavit.training.objectives.build import build_extras, build_objective, moving
from adavit.training.objectives.losses import LOSSES
from adavit.training.objectives.schedules import Schedule
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.average import GeneratorAverage
from adavit.training.step.reduction import Reduction
from adavit.training.step.slice_pass import SliceComputation, SlicePass


def assemble_step(
    config: ResolvedConfig,
    *,
    generator: Generator,
    discriminator: nn.Module,
    average: GeneratorAverage,
    critic: FeatureCritic | None,
    teacher: nn.Module | None,
    pipe: Pipe,
    microbatch: int | None,
    epoch_images: int,
    computation: Callable[[SlicePass], SliceComputation],
    reduction: Reduction,
    device: torch.device,
) -> AdversarialStep:
    """The step of a run, with the optimisers, losses and terms of its settings.

    Args:
        config: Of the run.
        generator: As built of it.
        discriminator: Likewise.
        average: From `average_of`.
        critic: On frozen features; None where no network of features is named.
        teacher: Whose tokens are distilled; None: none.
        pipe: Augmentation, on the device of the networks.
        microbatch: Images at a time, or None for the whole batch.
        epoch_images: Training images of an epoch.
        computation: From what computes a slice as it is written to what does so in steps.
        reduction: How gradients are summed, and over which processes.
        device: Where the run trains; the networks of a step that is imagined are elsewhere.
    """
    training = config.training
    objective = None
    if critic is not None and config.discriminator.kind != "projected":
        objective = build_objective(config, critic, pipe.p.device)
    return AdversarialStep(
        generator=generator,
        discriminator=discriminator,
        average=average,
        pipe=pipe,
        generator_lr=_rate(training, training.generator_lr),
        discriminator_lr=_rate(training, training.discriminator_lr),
        betas=(training.adam_beta1, _beta2(training)),
        warmup_images=1000 * training.warmup_kimg,
        microbatch=microbatch,
        autocast=torch.bfloat16 if training.precision == "bf16" else None,
        loss=LOSSES[training.loss],
        computation=computation,
        features=objective,
        reduction=reduction,
        **build_extras(
            training,
            epoch_images=epoch_images,
            # Convolutions on a CUDA device are done in TF32 when nothing else is asked for.
            coarse=training.precision == "bf16" or device.type == "cuda",
            teacher=teacher,
            chain=discriminator.chain if isinstance(discriminator, ResNetDiscriminator) else None,
        ),
    )


def average_of(generator: Generator, training: TrainingConfig) -> GeneratorAverage:
    """The average of a generator's weights, which at the start is the generator.

    Args:
        generator: Copied, on its device.
        training: Resolved.
    """
    end = training.ema_half_life_kimg
    half_life_kimg = moving(training, end * training.initial_ema_factor, end)
    return GeneratorAverage(generator, half_life_kimg=half_life_kimg, ramp=training.ema_ramp)


def _rate(training: TrainingConfig, start: float) -> Schedule:
    return moving(training, start, start * training.final_lr_factor)


def _beta2(training: TrainingConfig) -> Schedule:
    end = training.adam_beta2 if training.final_beta2 is None else training.final_beta2
    return moving(training, training.adam_beta2, end)
