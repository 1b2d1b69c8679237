"""How much a training step calculates, at a glance: on a CPU a step of a published setting can take minutes."""

import torch

from adavit.augment.devices import is_accelerator
from adavit.config.discriminator import ResNetConfig, ViTConfig
from adavit.config.run import ResolvedConfig
from adavit.models.sizes import widths_of
from adavit.runtime.resolution import Resolution

CONVOLUTIONS = 2
"""Of 3x3 at each resolution of either network, about."""

PASSES = 10
"""Forward passes through one of the networks that a step costs: images of both kinds, forwards and backwards."""

OPERATIONS_PER_S = 1e11
"""Of two to four cores."""

SLOW_S = 30.0
"""From here on a step is called slow."""


def step_operations(config: ResolvedConfig) -> float:
    """Multiplications and additions of a step without penalties, to a factor of about two.

    Args:
        config: Of the run.
    """
    resolution, generator = config.data.resolution, config.generator
    discriminator = config.discriminator
    judging = 0.0  # of a network for other images, of a size that is not the user's to choose
    drawing = _convolutions(resolution, generator.channel_base, generator.channel_max)
    if isinstance(discriminator, ViTConfig):
        tokens = resolution.area // discriminator.patch.area
        weights = discriminator.width**2 * (4 + 2 * discriminator.mlp_ratio)
        judging = 2 * tokens * discriminator.depth * (weights + 2 * tokens * discriminator.width)
    elif isinstance(discriminator, ResNetConfig):
        judging = _convolutions(resolution, discriminator.channel_base, discriminator.channel_max)
    return PASSES / 2 * (drawing + judging) * config.training.batch


def foreseen_s(config: ResolvedConfig, images: int) -> float:
    """Seconds that a run takes on a CPU, to a factor of about two on two to four cores; the same on each machine.

    Args:
        config: Of the run.
        images: Real images that it sees.
    """
    return images / config.training.batch * step_operations(config) / OPERATIONS_PER_S


def slow_step(config: ResolvedConfig, device: torch.device) -> str | None:
    """A sentence where a step is foreseen to take long; None elsewhere.

    Args:
        config: Of the run.
        device: Where it trains.
    """
    if is_accelerator(device) or foreseen_s(config, config.training.batch) < SLOW_S:
        return None
    return (
        f"each step may take a minute or more on a CPU, the first included: {config.training.batch} images go"
        " through networks of a size for an accelerator. Use a smaller --batch, or smaller networks"
        " (generator.channel_max, discriminator settings). A signal to stop is heeded after the step; a"
        " second Ctrl-C at once."
    )


def _convolutions(resolution: Resolution, channel_base: int, channel_max: int) -> float:
    """Operations of one forward pass of a convolutional network, for one image."""
    widths = widths_of(resolution, channel_base=channel_base, channel_max=channel_max)
    return sum(
        CONVOLUTIONS * 2 * 9 * channels**2 * grid.area
        for grid, channels in zip(resolution.grids, widths, strict=True)
    )
