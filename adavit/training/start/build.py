"""The first step of a run: networks, optimisers, augmentation and objectives, and what the networks start from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from adavit.build.augmentation import build_pipe, check_extra_operations
from adavit.build.networks import build_networks
from adavit.config.layers import build_config
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.config.section import AUTO
from adavit.features.choice import PretrainedNetwork
from adavit.features.teachers import FoundTeacher
from adavit.runtime.console import Console
from adavit.training.start.assembly import assemble_step, average_of
from adavit.training.start.data_advice import advice_on
from adavit.training.start.features import (
    check_as_begun,
    find_features,
    start_critic,
)
from adavit.training.start.freeze import freeze_lower_layers
from adavit.training.start.learnt_images import LearntImages
from adavit.training.start.pretrained_trunk import find_trunk, start_from
from adavit.training.start.teacher import build_teacher, find_teacher
from adavit.training.start.transfer import transfer
from adavit.training.start.transfer_source import read_source
from adavit.training.start.workload import Workload, load_workload, with_evaluators
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.captured_slices import captured_slices
from adavit.training.step.compiled_slices import compiled_slices
from adavit.training.step.reduction import OF_ONE_PROCESS, Reduction
from adavit.training.step.slice_pass import SliceComputation, SlicePass, as_written


@dataclass(frozen=True)
class Start:
    """What a run starts from.

    Attributes:
        fill: Fills the networks of a step at image 0, and says with what; None where all is drawn from the seed.
        weights: What it takes them from, by name; empty where all is drawn from the seed.
        seen: Networks trained on other images that its discriminator sees through, or has (`features.seen`).
        features: The one of them that its critic sees through.
        teacher: The one whose tokens its discriminator learns to predict.
        learnt: Images that its discriminator has learnt already; where they are not those of the run, they are
            among what it has seen.
        settings: Of the configuration, by section, that what it starts from asks for where the user leaves them open.
    """

    fill: Callable[[AdversarialStep, ResolvedConfig], list[str]] | None = None
    weights: Mapping[str, Tensor] = field(default_factory=dict, hash=False)
    seen: tuple[str, ...] = ()
    features: PretrainedNetwork | None = None
    teacher: FoundTeacher | None = None
    learnt: LearntImages | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    def noted_in(self, config: RunConfig) -> RunConfig:
        """The configuration with `features.seen`, whatever another run's configuration says there, and `settings`.

        As far as it is known before the images are: see `noted_of`.

        Raises:
            UserError: If these do not go together with those that the user has given.
        """
        values = config.as_dict()
        values["features"]["seen"] = list(self.seen)
        for section, wanted in self.settings.items():
            if section == "discriminator" and config.discriminator.kind != "resnet":
                continue
            own = values[section]
            own |= {key: value for key, value in wanted.items() if own.get(key) in (AUTO, None)}
        return config if values == config.as_dict() else build_config([values])

    def noted_of(self, workload: Workload) -> Workload:
        """The workload of a configuration from `noted_in`, with all that is known once its images are."""
        config, learnt = workload.config, self.learnt
        images, device = workload.image_set, workload.device
        if learnt is None or learnt.are_those_of(config, images, device):
            return workload
        seen = tuple(dict.fromkeys((learnt.identity, *config.features.seen)))
        features = config.features.model_copy(update={"seen": seen})
        return replace(workload, config=config.model_copy(update={"features": features}))

    def prepare(self, config: RunConfig, console: Console, *, processes: int = 1) -> Workload:
        """All that a new run needs, see `adavit.training.start.workload.prepare`, with `features.seen`.

        Args:
            config: As there.
            console: As there.
            processes: How many share each batch.
        """
        workload = load_workload(self.noted_in(config), console, processes=processes)
        for line in advice_on(workload):
            console.note(line)
        noted = self.noted_of(workload)
        if self.learnt is not None and noted is workload:
            heldout = self.learnt.heldout_note(workload)
            if heldout is not None:
                console.note(heldout)
        return with_evaluators(noted, console)


def build_step(
    workload: Workload, start: Start | None = None, reduction: Reduction = OF_ONE_PROCESS
) -> AdversarialStep:
    """Networks, optimisers and augmentation of a run, drawn from its seed.

    Args:
        workload: Of the run.
        start: With the frozen networks that it needs; None looks for them.
        reduction: How gradients are summed, and over which processes.
    """
    start = start or frozen_networks(workload.config)
    config = workload.config
    training = config.training
    critic = start_critic(workload, start.features)
    generator, discriminator = build_networks(
        config,
        image_channels=workload.image_set.channels,
        num_classes=workload.num_classes,
        critic=critic,
    )
    generator.discriminator_saw = config.features.seen
    freeze_lower_layers(discriminator, training.freeze_d)
    pipe = build_pipe(config.augment)
    exact = training.penalty == "exact" and (training.r1_gamma or training.r2_gamma)
    check_extra_operations(
        pipe,
        workload.image_set.images.shape[1:],
        twice=bool(exact or training.gradient_penalty),
    )
    # On a CPU convolutions run about twice as fast in this layout.
    placed: dict[str, Any] = {"device": workload.device, "memory_format": torch.channels_last}
    generator, discriminator = generator.to(**placed), discriminator.to(**placed)
    return assemble_step(
        config,
        generator=generator,
        discriminator=discriminator,
        average=average_of(generator, training),
        critic=critic,
        teacher=build_teacher(workload, start.teacher),
        pipe=pipe.to(workload.device),
        microbatch=training.microbatch,
        # With the flips, which `BatchSampler` draws as images of their own.
        epoch_images=len(workload.split.train) * (2 if config.data.mirror else 1),
        computation=_computation(config, workload.device),
        reduction=reduction,
        device=workload.device,
    )


def _computation(
    config: ResolvedConfig, device: torch.device
) -> Callable[[SlicePass], SliceComputation]:
    """From a slice as it is written to what computes it."""
    training = config.training
    if training.compile:
        return compiled_slices
    if training.graphs and device.type == "cuda" and config.has_lasting_passes:
        return captured_slices
    return as_written


def read_start(config: RunConfig) -> Start:
    """Reads what a configuration names to start from, and looks for the weights of its features.

    Raises:
        UserError: If it cannot be used.
    """
    training, frozen = config.training, frozen_networks(config)
    if training.transfer is not None:
        source = read_source(training.transfer)
        for identity in source.seen if source.settings else ():
            named = str(training.transfer)
            check_as_begun("training.transfer", named, identity, config.features.seen)
        seen = tuple(dict.fromkeys((*source.seen, *frozen.seen)))
        return replace(
            frozen,
            fill=lambda step, config: transfer(step, source, frozen.features, config),
            weights=source.weights,
            seen=seen,
            settings=source.settings,
        )
    if training.init_discriminator is not None:
        trunk = find_trunk(training.init_discriminator, config.features.seen)
        seen = tuple(dict.fromkeys((*trunk.seen, *frozen.seen)))
        return replace(
            frozen,
            fill=lambda step, config: [start_from(trunk, step, config)],
            weights=trunk.state(),
            seen=seen,
            learnt=LearntImages.of(trunk),
        )
    return frozen


def frozen_networks(config: RunConfig | ResolvedConfig) -> Start:
    """Looks for the frozen networks that a run needs beside its own, from the start or where it goes on.

    Raises:
        UserError: If one cannot be had, or is no longer the one that the run began with.
    """
    resolution = config.given("data.resolution")
    features = find_features(config.features, resolution=resolution)
    teacher = find_teacher(config)
    seen = [network.identity for network in (features, teacher) if network is not None]
    return Start(seen=tuple(dict.fromkeys(seen)), features=features, teacher=teacher)


def first_step(
    workload: Workload, start: Start, reduction: Reduction = OF_ONE_PROCESS
) -> tuple[AdversarialStep, list[str]]:
    """The networks of a run at image 0.

    Args:
        workload: Of the run.
        start: From `read_start`.
        reduction: As in `build_step`.

    Returns:
        The step, and what was taken over into it.

    Raises:
        UserError: If the networks cannot be made as asked for, or what to start from does not fit.
    """
    step = build_step(workload, start, reduction)
    return step, [] if start.fill is None else start.fill(step, workload.config)
