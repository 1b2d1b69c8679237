"""The memory that a training step cannot do without, told before the images are decoded.

It is a lower bound: what does not fit is refused for certain, what fits by a little may still fail.
"""

import torch

from adavit.config.discriminator import ViTConfig
from adavit.config.run import ResolvedConfig
from adavit.errors import RunError
from adavit.models.sizes import BASE_RESOLUTION
from adavit.runtime.memory import free_bytes
from adavit.runtime.wording import size

GENERATOR_MAPS = 6
"""Feature maps of each resolution that the generator's backward pass keeps, at the least; measured are 6.5."""

DISCRIMINATOR_MAPS = 3
"""The same of a convolutional discriminator; measured are 3.1 (plain) to 18 (r3gan)."""

TOKEN_VECTORS = 14
"""Vectors that each block of a ViT keeps of each token, at the least; measured are 14.4 to 26."""

WEIGHT_COPIES = 5
"""Of the generator: weights, gradients, two moments of Adam, and the average."""


def least_bytes(config: ResolvedConfig) -> int:
    """Bytes that one step holds at the same time, at the least.

    Args:
        config: Of the run.
    """
    training, generator, discriminator = config.training, config.generator, config.discriminator
    side = config.data.resolution
    number = 2 if training.precision == "bf16" else 4
    held = GENERATOR_MAPS * _maps(side, generator.channel_base, generator.channel_max)
    if isinstance(discriminator, ViTConfig):
        tokens = (side // discriminator.patch) ** 2
        held += TOKEN_VECTORS * tokens * discriminator.width * discriminator.depth
    else:
        base, most = discriminator.channel_base, discriminator.channel_max
        held += DISCRIMINATOR_MAPS * _maps(side, base, most)
    weights = generator.style_dim * generator.latent_dim
    weights += generator.style_dim**2 * (generator.mapping_layers - 1)
    pixels = training.batch * side**2  # of the real images, in bytes, one channel
    microbatch = training.microbatch or training.batch
    return number * held * microbatch + 4 * WEIGHT_COPIES * weights + pixels


def check_memory(config: ResolvedConfig, device: torch.device) -> None:
    """Refuses a run whose steps cannot fit.

    Args:
        config: Of the run.
        device: Where it trains.

    Raises:
        RunError: If a step needs more memory than there is.
    """
    least, free = least_bytes(config), free_bytes(device)
    if free is None or least <= free:
        return
    count = config.training.microbatch or config.training.batch
    images = f"a microbatch of {count:,} images" if count > 1 else "one image"
    raise RunError(
        f"out of memory: training on {images} of {config.data.resolution} px or more needs at"
        f" least {size(least)}, but {size(free)} are free. Expected room for one microbatch; use a"
        " smaller --microbatch or --batch, a lower --resolution, or smaller networks."
    )


def _maps(side: int, channel_base: int, channel_max: int) -> int:
    """Numbers in one feature map of each resolution of a convolutional network, for one image."""
    total = 0
    while side >= BASE_RESOLUTION:
        total += max(1, min(channel_base // side, channel_max)) * side**2
        side //= 2
    return total
