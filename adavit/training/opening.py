"""The first lines of a run: what it will do, what was chosen for what was left open, and where to look."""

import torch

from adavit.config.run import ResolvedConfig, RunConfig
from adavit.config.training import TrainingConfig
from adavit.features.discriminator import ProjectedDiscriminator
from adavit.models import count_parameters
from adavit.runs.directory import RunDirectory
from adavit.runtime.wording import counted, in_three_digits
from adavit.training.start.workload import Workload, total_images
from adavit.training.step.adversarial_step import AdversarialStep

MOST_LINES = 12

_COLUMN = 14


def opening(
    asked: RunConfig,
    workload: Workload,
    step: AdversarialStep,
    directory: RunDirectory,
    budget: str | None,
) -> str:
    """At most `MOST_LINES` lines. What was said of the images when they were read is not said again.

    Args:
        asked: What the user gave; what is open in it was chosen.
        workload: Of the run.
        step: Its networks.
        directory: Of the run.
        budget: What was chosen for its budget of time, in a line; None without one.
    """
    config = workload.config
    lines = {
        "networks": _networks(asked, config, step),
        "batch": _batch(asked, config),
        "length": budget or _length(asked, config),
        "augmentation": _augmentation(config),
        "precision": _precision(config, workload.device),
        "losses": _losses(config.training),
        "metrics": _metrics(asked, config),
    }
    if (start := config.training.transfer or config.training.init_discriminator) is not None:
        lines["starts from"] = str(start)
    lines |= {
        "all settings": f"{directory.config}; adavit settings says what each means",
        "look first at": _look(config, directory),
    }
    assert len(lines) < MOST_LINES
    return "\n".join(f"{name:<{_COLUMN}}{text}" for name, text in lines.items())


def _networks(asked: RunConfig, config: ResolvedConfig, step: AdversarialStep) -> str:
    kind, side = config.discriminator.kind, config.data.resolution.plain
    sizes = f"generator of {_millions(step.generator)}, {kind} discriminator of {_millions(step.discriminator)}"
    through = ""
    if config.features.network is not None:
        alone = isinstance(step.discriminator, ProjectedDiscriminator)
        critic = "" if alone or step.features is None else f" of {_millions(step.features.critic)}"
        with_it = "on" if alone else f"and a critic{critic} on"
        through = f" {with_it} frozen features of {config.features.network}"
    was_open = not asked.is_known("generator.channel_base")
    chosen = f", chosen for {side} px" if was_open else f" at {side} px"
    return f"{sizes}{through}{chosen}"


def _millions(network: torch.nn.Module) -> str:
    return f"{in_three_digits(count_parameters(network) / 1e6)} M parameters"


def _batch(asked: RunConfig, config: ResolvedConfig) -> str:
    training = config.training
    chosen = "" if asked.is_known("training.batch") else ", chosen for the device"
    parts = ""
    if training.microbatch is not None:
        parts = f", {counted(training.microbatch, 'image', 'images')} at a time"
    rates = f"learning rates {training.generator_lr:g} and {training.discriminator_lr:g}"
    return f"{counted(training.batch, 'image', 'images')}{parts}{chosen}; {rates}"


def _length(asked: RunConfig, config: ResolvedConfig) -> str:
    training = config.training
    images = total_images(training)
    steps = counted(images // training.batch, "step", "steps")
    chosen = "" if asked.is_known("training.total_kimg") else ", usual for the device"
    return f"{images / 1000:g} kimg in {steps}{chosen}; the first report says how long that takes"


def _augmentation(config: ResolvedConfig) -> str:
    augment = config.augment
    if augment.mode == "none":
        return "none"
    moves = {
        "ada": f"adaptive: p from {augment.initial_p:g} so that {_steered_by(config)} stays at {augment.target:g}",
        "fixed": f"p fixed at {augment.p}",
        "scheduled": f"p from {augment.initial_p:g} to {augment.p} in {augment.schedule_kimg} kimg",
    }
    return f"{augment.preset}, {moves[augment.mode]}"


def _steered_by(config: ResolvedConfig) -> str:
    return {"rt": "r_t", "rv": "r_v", "relative": "r_relative"}[config.augment.heuristic]


def _precision(config: ResolvedConfig, device: torch.device) -> str:
    threads = counted(torch.get_num_threads(), "thread", "threads")
    where = f"{device.type} with {threads}" if device.type == "cpu" else device.type
    compiled = ", compiled" if config.training.compile else ""
    return f"{config.training.precision} on {where}{compiled}"


def _losses(training: TrainingConfig) -> str:
    penalties = []
    for name, gamma, interval in (
        ("R1", training.r1_gamma, training.r1_interval),
        ("R2", training.r2_gamma, training.r2_interval),
    ):
        if gamma:
            often = "at each step" if interval == 1 else f"every {interval} steps"
            penalties.append(f"{name} of {gamma:g} {often}")
    if training.gradient_penalty:
        penalties.append(f"WGAN-GP's penalty of {training.gradient_penalty:g}")
    return f"{training.loss}; {' and '.join(penalties) or 'no gradient penalty'}"


def _metrics(asked: RunConfig, config: ResolvedConfig) -> str:
    metrics = config.metrics
    if not metrics.names:
        why = (
            ""
            if not asked.metrics.names
            else ", for lack of time; adavit evaluate does it afterwards"
        )
        return f"none{why}"
    extractors = " and ".join(metrics.extractor)
    patience = (
        ""
        if metrics.patience_kimg is None
        else f"; ends {metrics.patience_kimg:g} kimg after the best"
    )
    return (
        f"{', '.join(metrics.names)} of {metrics.fakes:,} images in features of {extractors}, every"
        f" {metrics.every_kimg:g} kimg{patience}"
    )


def _look(config: ResolvedConfig, directory: RunDirectory) -> str:
    every = config.run.samples_every_kimg
    return f"{directory.samples}, a grid every {every:g} kimg beside {directory.real_images.name}; {directory.curves}"
