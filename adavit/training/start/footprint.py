"""The memory that a training step needs, told before the images are decoded.

At a glance it is a lower bound, by a formula. Where that comes near to what there is, the step is gone through with
tensors that have no content (`adavit.training.start.imagined_step`), and what is alive at the same time is counted.
Benchmark figures are in `benchmarks/results/step_memory_cpu.md`. A critic on frozen features, and a teacher, have no
formula: they are counted, unless there is room for the largest.
"""

import contextlib
from typing import Any

import torch

from adavit.augment.devices import is_accelerator
from adavit.config.discriminator import ResNetConfig, ViTConfig
from adavit.config.run import ResolvedConfig
from adavit.config.section import MOST
from adavit.errors import RunError
from adavit.models.published_vit import PATCH
from adavit.runtime.imagined_world import ImaginedWorld
from adavit.runtime.memory import free_bytes
from adavit.runtime.place import Place
from adavit.runtime.resolution import Resolution
from adavit.runtime.wording import size
from adavit.training.start.imagined_step import ImaginedStep
from adavit.training.step.reduction import reduction_of

CPU = torch.device("cpu")

GENERATOR_MAPS = 6
"""Feature maps of each resolution that the generator's backward pass keeps, at the least; measured are 6.5."""

DISCRIMINATOR_MAPS = 3
"""The same of a convolutional discriminator; measured are 3.1 (plain) to 18 (r3gan)."""

TOKEN_VECTORS = 14
"""Vectors that each block of a ViT keeps of each token, at the least; measured are 14.4 to 26."""

WEIGHT_COPIES = 5
"""Of the generator: weights, gradients, two moments of Adam, and the average. A discriminator has no average."""

NEAR = 16
"""Steps take up to so many times the lower bound: what has more room than that is not counted, which takes half a
second."""

LARGEST_FROZEN = 3 * 2**29
"""Bytes of the weights of the largest network that is looked through (ViT-L/14: 1.2 GB), and some."""

PIXEL_SEEN = 16 * 2**10
"""Bytes that such a network keeps of each pixel that it sees, at the most: counted are 0.4 (MobileNet) to 1.9 kB
(ResNet-50), and 26 vectors a token make 13 kB of ViT-L/14."""

SMALLEST = ResNetConfig(form="plain", channel_base=MOST, channel_max=1, minibatch_std_group=0)
"""A discriminator that takes next to nothing, for what one takes that cannot be left out."""

HOPELESS = 4
"""Where the lower bound is so many times what there is, nothing is counted either: networks may be of any size."""

OVERHEAD = {"float32": 1.25, "bf16": 1.4}
"""What a process on a CPU takes for each byte that is alive: copies in other layouts and gaps between allocations."""

CODE = {"resnet": 8 * 2**20, "projected": 8 * 2**20, "vit": 32 * 2**20}
"""What it takes beside: the code of kernels, and the buffers of matrix products, by kind of discriminator."""

OVERHEAD_OF_ACCELERATORS = 1.05
"""What an accelerator takes for each byte; of an H100 the peak of tensors was .98 to 1.08 of what is counted."""

CERTAIN = 0.7
"""Part of the estimate that a step certainly needs; measured are 0.96 of it and more."""


def least_bytes(config: ResolvedConfig) -> int:
    """Bytes that one step holds at the same time, at the least.

    Args:
        config: Of the run.
    """
    training, generator, discriminator = config.training, config.generator, config.discriminator
    resolution = config.data.resolution
    number = 2 if training.precision == "bf16" else 4
    held = GENERATOR_MAPS * _maps(resolution, generator.channel_base, generator.channel_max)
    if isinstance(discriminator, ViTConfig):
        tokens = resolution.area // discriminator.patch.area
        held += TOKEN_VECTORS * tokens * discriminator.width * discriminator.depth
    elif isinstance(discriminator, ResNetConfig):
        base, most = discriminator.channel_base, discriminator.channel_max
        held += DISCRIMINATOR_MAPS * _maps(resolution, base, most)
    weights = generator.style_dim * generator.latent_dim
    weights += generator.style_dim**2 * (generator.mapping_layers - 1)
    pixels = training.batch * resolution.area  # of the real images, in bytes, one channel
    return number * held * config.training.images_at_a_time + 4 * WEIGHT_COPIES * weights + pixels


def most_bytes(config: ResolvedConfig) -> int:
    """Bytes that no step takes, told without counting.

    `NEAR` times the lower bound, and of networks trained on other images what the largest takes.

    Args:
        config: Of the run.
    """
    return NEAR * least_bytes(config) + _most_for_frozen(config)


def counted_bytes(config: ResolvedConfig, device: torch.device = CPU, processes: int = 1) -> int:
    """Bytes that one step holds at the same time, counted; not compiled.

    It is a step in which all is due that is due at times, such as R1.

    Args:
        config: Of the run.
        device: Where it trains, which decides on its terms; it need not be there.
        processes: That share each batch, of which it is the step of one.

    Raises:
        RuntimeError: If the networks are larger than torch can name.
        UserError: If so many cannot share it.
        ValueError: If the settings make no network.
    """
    training, world = config.training, ImaginedWorld(processes)
    reduction = reduction_of(
        world, batch=training.batch, microbatch=training.microbatch, fast=training.fast_reduce
    )
    return ImaginedStep(config, reduction=reduction, device=device).of(0).peak


def taken_bytes(counted: int, config: ResolvedConfig, device: torch.device) -> int:
    """Bytes by which a process grows, or that an accelerator gives, for so many that are alive.

    Args:
        counted: At the same time.
        config: Of the run.
        device: Where it trains; it need not be there.
    """
    if is_accelerator(device):
        return int(OVERHEAD_OF_ACCELERATORS * counted)
    return int(OVERHEAD[config.training.precision] * counted) + CODE[config.discriminator.kind]


def expected_bytes(config: ResolvedConfig, device: torch.device = CPU, processes: int = 1) -> int:
    """Bytes that such steps take, about.

    Args:
        config: Of the run.
        device: As for `taken_bytes`.
        processes: As for `counted_bytes`.

    Raises:
        RuntimeError: As `counted_bytes`.
        UserError: Likewise.
        ValueError: Likewise.
    """
    return taken_bytes(counted_bytes(config, device, processes), config, device)


def features_bytes(config: ResolvedConfig, device: torch.device = CPU) -> int:
    """The part of `expected_bytes` that a critic on frozen features adds: weights, activations and heads.

    Of a projected discriminator, which consists of one, it is nearly all: the rest is that of `SMALLEST`.

    Args:
        config: Of the run.
        device: As for `taken_bytes`.

    Raises:
        RuntimeError: As `counted_bytes`.
        ValueError: Likewise.
    """
    unseen: dict[str, Any] = {"features": config.features.model_copy(update={"network": None})}
    if config.discriminator.kind == "projected":
        unseen["discriminator"] = SMALLEST
    without = config.model_copy(update=unseen)
    return expected_bytes(config, device) - expected_bytes(without, device)


def distillation_bytes(config: ResolvedConfig, device: torch.device = CPU) -> int:
    """The part that a teacher adds: its weights and tokens, what predicts them, and a pass of the discriminator.

    Args:
        config: Of the run.
        device: As for `taken_bytes`.

    Raises:
        RuntimeError: As `counted_bytes`.
        ValueError: Likewise.
    """
    untaught = config.training.model_copy(update={"distill_weight": 0.0})
    without = config.model_copy(update={"training": untaught})
    return expected_bytes(config, device) - expected_bytes(without, device)


class StepTooLarge(RunError):
    """A step cannot fit into the memory there is.

    Args:
        what: Sentences that say so, and what was expected.
        advice: What to do, where it is a new run.

    Attributes:
        what: The same, for advice where it is none.
    """

    def __init__(
        self,
        what: str,
        advice: str = "Use a smaller --microbatch or --batch, a lower --resolution, or smaller networks.",
    ) -> None:
        super().__init__(f"{what} {advice}")
        self.what = what


def check_memory(config: ResolvedConfig, device: torch.device, processes: int = 1) -> None:
    """Refuses a run whose steps cannot fit.

    Args:
        config: Of the run.
        device: Where it trains.
        processes: That share each batch, and this machine where they are not there yet.

    Raises:
        StepTooLarge: If a step needs more memory than there is.
    """
    needed, free = least_bytes(config), free_bytes(device)
    if free is not None and not is_accelerator(device):
        here = Place.here()
        free //= here.local_size if here.size > 1 else processes
    if free is None or most_bytes(config) <= free:
        return
    certain, qualifier = needed, "at least"
    if not config.training.compile and needed <= HOPELESS * free:
        # Settings that make no network are named where it is built.
        with contextlib.suppress(RuntimeError, ValueError):
            needed, qualifier = expected_bytes(config, device, processes), "about"
            certain = max(certain, int(CERTAIN * needed))
    if certain <= free:
        return
    count = config.training.images_at_a_time
    images = f"a microbatch of {count:,} images" if count > 1 else "one image"
    raise StepTooLarge(
        f"out of memory: training on {images} of {config.data.resolution.plain} px or more needs"
        f" {qualifier} {size(needed)}, but {size(free)} are free. Expected room for one microbatch."
    )


def _most_for_frozen(config: ResolvedConfig) -> int:
    """Of networks trained on other images, at the most."""
    areas = [] if config.features.network is None else [config.features.side**2]
    if config.training.distill_weight and isinstance(config.discriminator, ViTConfig):
        areas.append(PATCH**2 * config.data.resolution.area // config.discriminator.patch.area)
    return sum(
        LARGEST_FROZEN + PIXEL_SEEN * config.training.images_at_a_time * area for area in areas
    )


def _maps(resolution: Resolution, channel_base: int, channel_max: int) -> int:
    """Numbers in one feature map of each resolution of a convolutional network, for one image."""
    return sum(
        max(1, min(channel_base // grid.nominal_side, channel_max)) * grid.area
        for grid in resolution.grids
    )
