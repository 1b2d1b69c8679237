"""What is foreseen of a run without training it: operations, memory of steps and evaluations, disk; also elsewhere.

A device need not be there: the step is gone through on tensors without content (`adavit.training.start.imagined_step`).
"""

import math
from dataclasses import replace

import torch

from adavit.augment.devices import is_accelerator
from adavit.config.auto import RunFacts
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.data import load_images
from adavit.features.discriminator import ProjectedDiscriminator
from adavit.generation.sampling import BATCH, draw_in_parts
from adavit.metrics import FeatureExtractor
from adavit.metrics.extractors.extractor import images_per_call
from adavit.models import count_parameters
from adavit.runtime.console import Console
from adavit.runtime.imagined_world import ImaginedWorld
from adavit.runtime.wording import in_three_digits, size
from adavit.training.objectives.distillation import Distillation
from adavit.training.samples import COUNT
from adavit.training.start.data_advice import advice_on
from adavit.training.start.footprint import distillation_bytes, features_bytes, taken_bytes
from adavit.training.start.handshake import shared_reduction
from adavit.training.start.imagined_step import ImaginedStep
from adavit.training.start.live_bytes import LiveBytes
from adavit.training.start.memory_choice import held_before
from adavit.training.start.resident import told_of_absent
from adavit.training.start.settled import settled, split_of_run, tell_of_settings
from adavit.training.start.stored_settings import config_text
from adavit.training.start.without_content import tensors_of, without_content
from adavit.training.start.workload import (
    Workload,
    image_arguments,
    total_images,
    with_evaluators,
)
from adavit.training.step.adversarial_step import AdversarialStep

ASSUMED = (
    "There is no CUDA device here: settings are those for one of the Ampere generation or newer (bf16), and no time is"
    " measured."
)

UNPLANNED = (
    "How much of a run fits in run.budget, {budget}, is measured where the device is: length, evaluations and disk"
    " below are those of a run without it."
)

BATCH_OF_EXTRACTORS = {"random": 2000, "drawn": 2000}
"""Small images that extractors take at a time on an accelerator, beside those that take `USUAL_BATCH`."""

USUAL_BATCH = 128


def describe_elsewhere(config: RunConfig, console: Console, processes: int = 1) -> str:
    """The plan of a run on a CUDA device that this machine does not have, as text.

    Args:
        config: As merged from presets, files and flags.
        console: Told what was found in the data.
        processes: That are to share each batch.

    Raises:
        UserError: As `adavit.training.start.workload.prepare`.
    """
    console.note(ASSUMED)
    if config.run.budget is not None:
        console.note(UNPLANNED.format(budget=config.run.budget))
    workload = imagined_workload(config, console, processes)
    world = ImaginedWorld(processes)
    imagined = imagined_step(workload, world)
    held = workload.config
    operations = operations_of(imagined) * total_images(held.training)
    residence = told_of_absent(workload, held_before(workload.device))
    lines = [
        *network_lines(workload, imagined.step),
        *foreseen_lines(workload, imagined),
        *image_lines(residence, workload, processes),
        *message_lines(world, len(kinds_of_steps(imagined.step))),
        (
            f"time                     not measured here: {in_three_digits(operations / 1e15)} PFLOP for"
            f" {held.training.total_kimg:g} kimg"
        ),
    ]
    return "\n".join(lines)


def imagined_workload(config: RunConfig, console: Console, processes: int = 1) -> Workload:
    """A run as it would be on a CUDA device; its evaluators are on the CPU.

    Args:
        config: As for `describe_elsewhere`.
        console: Likewise.
        processes: Likewise.

    Raises:
        UserError: Likewise.
    """
    device = torch.device("cuda")
    images = load_images(config.data.source, **image_arguments(config, device))
    split = split_of_run(config, images, console)
    facts = RunFacts(
        images.resolution,
        len(split.train),
        device.type,
        bf16=True,
        processes=processes,
    )
    resolved = settled(config, facts, device, console)
    tell_of_settings(resolved, images, split, console)
    workload = Workload(resolved, images, split, torch.device("cpu"))
    for line in advice_on(workload):
        console.note(line)
    there = with_evaluators(workload, console)
    return replace(there, device=device)


def network_lines(workload: Workload, step: AdversarialStep) -> list[str]:
    """The settings of a run, and how large its networks are.

    Args:
        workload: Its device need not be there.
        step: Of the run; its networks may be without content.
    """
    return [
        config_text(workload.config),
        f"generator       {count_parameters(step.generator) / 1e6:8.2f} M parameters",
        f"discriminator   {count_parameters(step.discriminator) / 1e6:8.2f} M parameters",
        *_frozen_lines(workload.config, step, workload.device),
    ]


def _frozen_lines(config: ResolvedConfig, step: AdversarialStep, device: torch.device) -> list[str]:
    lines = []
    if step.features is not None:
        critic = step.features.critic
        (network,) = critic.frozen
        lines.append(
            f"features        {count_parameters(critic) / 1e6:8.2f} M parameters, and"
            f" {count_parameters(network) / 1e6:.2f} M frozen ones of {network.architecture};"
            f" they add about {features_bytes(config, device) / 2**30:.2f} GiB"
        )
    if isinstance(step.discriminator, ProjectedDiscriminator):
        (network,) = step.discriminator.critic.frozen
        count = count_parameters(network) / 1e6
        lines.append(
            f"features        {count:8.2f} M frozen parameters of {network.architecture}; they and the"
            f" heads on them add about {features_bytes(config, device) / 2**30:.2f} GiB"
        )
    for regularizer in step.regularizers:
        if isinstance(regularizer, Distillation):
            count = count_parameters(regularizer.teacher) / 1e6
            lines.append(
                f"distillation    {count:8.2f} M frozen parameters, through which no logit goes;"
                f" it adds about {distillation_bytes(config, device) / 2**30:.2f} GiB"
            )
    return lines


def image_lines(residence: str, workload: Workload, processes: int) -> list[str]:
    """Where the images of a run are.

    Args:
        residence: A clause that says what of a device they take; may be empty.
        workload: Of the run.
        processes: That share each batch, all on one machine.
    """
    told = [residence] if residence else []
    if processes > 1:
        told.insert(
            0,
            f"{size(workload.image_set.images.nbytes)} decoded once for this machine, and mapped by its"
            f" {processes} processes",
        )
    return [f"images          {'; '.join(told)}"] if told else []


def message_lines(world: ImaginedWorld, steps: int) -> list[str]:
    """What processes tell each other.

    Args:
        world: They, after some steps.
        steps: How many.
    """
    if world.size == 1:
        return []
    return [
        f"messages        {world.messages / steps:8.0f} a step, in which each process sends"
        f" {size(world.sent / steps)} and receives as much"
    ]


def imagined_step(workload: Workload, world: ImaginedWorld) -> ImaginedStep:
    """A step of a run without content, as one of some processes takes it.

    Args:
        workload: Of the run.
        world: The processes, of which it is the step of the one that is there.
    """
    return ImaginedStep(
        workload.config,
        image_channels=workload.image_set.channels,
        num_classes=workload.num_classes,
        reduction=shared_reduction(workload, world),
        device=workload.device,
    )


def foreseen_lines(workload: Workload, imagined: ImaginedStep) -> list[str]:
    """What a run will take, for people.

    Args:
        workload: Its device need not be there.
        imagined: Of it.
    """
    config, device = workload.config, workload.device
    step = imagined.of(0)
    before = held_before(device)
    peak = before + taken_bytes(step.peak, config, device)
    evaluation = before + taken_bytes(
        step.held + evaluation_bytes(workload, imagined), config, device
    )
    compiled = " (uncompiled)" if config.training.compile else ""
    return [
        (
            f"operations      {operations_of(imagined) / 1e9:8.2f} GFLOP for each image, forwards and backwards"
            " through both networks; what is due at times counts its share"
        ),
        (
            f"foreseen        {peak / 2**30:8.2f} GiB at the peak of a step{compiled} in which all is due,"
            f" {evaluation / 2**30:.2f} GiB in evaluations; {size(before)} of it before the first step"
        ),
        f"disk            {disk_bytes(workload, imagined) / 2**30:8.2f} GiB for the run, about",
    ]


def operations_of(imagined: ImaginedStep) -> float:
    """Products and sums of training on an image, what is due at times with its share.

    Args:
        imagined: Of the run.
    """
    kinds = kinds_of_steps(imagined.step)
    total = sum(count * imagined.of(first).operations for first, count in kinds)
    return total / sum(count for _, count in kinds)


def evaluation_bytes(workload: Workload, imagined: ImaginedStep) -> int:
    """Bytes that an evaluation holds at the same time beside what the run holds.

    Args:
        workload: Of the run; without evaluators it is the sample sheet that is drawn.
        imagined: Of it.
    """
    average = imagined.step.average.module
    channels = workload.image_set.channels
    with without_content(), torch.no_grad():
        labels = torch.zeros(BATCH, dtype=torch.int64) if workload.num_classes else None
        with LiveBytes(tensors_of([average])) as live:
            there = live.now
            latents = torch.empty(BATCH, workload.config.generator.latent_dim)
            drawn = draw_in_parts(average, latents, labels, noise=torch.Generator())
            shape = drawn.shape[2:]
            del drawn
            for evaluator in workload.evaluators:
                extractor = evaluator.extractor
                batch = images_per_call(_batch_of(extractor, workload.device), shape)
                extractor(torch.empty(batch, channels, *shape, dtype=torch.uint8))
    features = max((each.extractor.features for each in workload.evaluators), default=0)
    return live.peak - there + 4 * features * workload.config.metrics.fakes


def _batch_of(extractor: FeatureExtractor, device: torch.device) -> int:
    if is_accelerator(device):
        return BATCH_OF_EXTRACTORS.get(extractor.name, USUAL_BATCH)
    return extractor.batch


def disk_bytes(workload: Workload, imagined: ImaginedStep) -> int:
    """Bytes of the run directory at its end, about: checkpoints, generators, sample grids and their film.

    Args:
        workload: Of the run.
        imagined: Of it.
    """
    config = workload.config
    average = sum(tensor.nbytes for tensor in tensors_of([imagined.step.average.module]))
    trained = sum(
        tensor.nbytes
        for network in (imagined.generator, imagined.judges)
        for tensor in (*network.parameters(), *network.buffers())
    )
    best = 1 if workload.evaluators else 0
    checkpoint = 3 * trained + average * (1 + best)  # weights and two moments
    pixels = COUNT * workload.image_set.images[0].nbytes
    kept = config.run.keep_checkpoints
    written = total_images(config.training) / 1000 / config.run.checkpoint_every_kimg
    grids = 2 + total_images(config.training) / 1000 / config.run.samples_every_kimg
    count = min(kept, 1 + math.ceil(written))
    every = config.run.keep_every_kimg
    generators = (
        1 + best + (0 if every is None else total_images(config.training) // (1000 * every))
    )
    return int(count * checkpoint + generators * average + grids * 1.5 * pixels)


def kinds_of_steps(step: AdversarialStep) -> list[tuple[int, int]]:
    """Steps in which other terms are due cost differently: the first of each kind, and how many in a cycle.

    A step belongs to the least common multiple of all intervals that divide its number, so the kinds are
    counted without walking through a cycle, whose length is the product of intervals that share no factor.
    """
    multiples = {1}
    for interval in set(step.intervals):
        multiples |= {math.lcm(multiple, interval) for multiple in multiples}
    cycle, counts = max(multiples), dict[int, int]()
    for multiple in sorted(multiples, reverse=True):
        # All its multiples, without those at which more is due.
        more = sum(count for other, count in counts.items() if other % multiple == 0)
        counts[multiple] = cycle // multiple - more
    return sorted((first % cycle, count) for first, count in counts.items())
