"""The memory that a step of a pre-training needs, told before the images are decoded.

Its counterpart of a run is `adavit.training.start.footprint`.
"""

import contextlib
from typing import cast

import torch

from adavit.build.networks import build_discriminator
from adavit.config.discriminator import ViTConfig
from adavit.config.pretraining import PretrainingConfig
from adavit.config.run import ResolvedConfig
from adavit.errors import RunError
from adavit.models.masked_patches.corruption import draw_corruption
from adavit.models.masked_patches.prediction import (
    MaskedPatchHead,
    head_for,
    masked_patch_loss,
    predict_corrupted,
)
from adavit.models.vit.encoder import VisionEncoder
from adavit.pretraining.loop import adamw
from adavit.runtime.memory import free_bytes
from adavit.runtime.precision import forward_precision
from adavit.runtime.wording import size
from adavit.training.start.footprint import (
    CERTAIN,
    NEAR,
    TOKEN_VECTORS,
    WEIGHT_COPIES,
    taken_bytes,
)
from adavit.training.start.live_bytes import LiveBytes
from adavit.training.start.without_content import emptied, tensors_of, without_content

CPU = torch.device("cpu")


def least_pretraining_bytes(config: ResolvedConfig, section: PretrainingConfig) -> int:
    """Bytes that a step holds at the same time, at the least: those of the images, grey and in float32.

    Args:
        config: With the resolution.
        section: Of the pre-training, resolved.
    """
    return 4 * section.batch * config.data.resolution.area


def most_pretraining_bytes(
    config: ResolvedConfig, section: PretrainingConfig, channels: int
) -> int:
    """Bytes that no step takes, told without counting: far more than it keeps of tokens and images, and the weights.

    Args:
        config: With the encoder and its resolution.
        section: Of the pre-training, resolved.
        channels: Of the images, by which there are more kinds of patches to tell apart.

    Raises:
        ValueError: If the settings make no network.
    """
    network, area = cast(ViTConfig, config.discriminator), config.data.resolution.area
    encoder, head = _on_meta(config, channels)
    of_token = TOKEN_VECTORS * network.width * network.depth + head.classes.out_features
    vectors = area // network.patch.area * of_token
    weights = sum(tensor.nbytes for tensor in tensors_of((encoder, head)))
    return NEAR * 4 * section.batch * (vectors + channels * area) + WEIGHT_COPIES * weights


def pretraining_bytes(config: ResolvedConfig, section: PretrainingConfig, channels: int) -> int:
    """Bytes that a step holds at the same time, counted on tensors without content, in the ways of a CPU.

    Args:
        config: With the encoder and its resolution.
        section: Of the pre-training, resolved.
        channels: Of the images.

    Raises:
        RuntimeError: If the batch or the networks are larger than torch can name.
        ValueError: If the settings make no network, or one that sees a single patch.
    """
    encoder, head = _on_meta(config, channels)
    autocast = torch.bfloat16 if section.precision == "bf16" else None
    with without_content():
        emptied(encoder)
        emptied(head)
        optimizer = adamw(encoder, head, section)
        images = torch.empty(section.batch, channels, *config.data.resolution)
        with LiveBytes([*tensors_of([encoder, head]), images]) as alive:
            for _ in range(2):  # in the second one there are moments and gradients of the first
                corruption = draw_corruption(len(images), encoder.layout.patches, torch.Generator())
                with forward_precision(CPU, autocast):
                    prediction = predict_corrupted(encoder, head, images, corruption)
                loss = masked_patch_loss(prediction)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return alive.peak


def check_pretraining_memory(
    config: ResolvedConfig, section: PretrainingConfig, device: torch.device, channels: int
) -> None:
    """Refuses a pre-training whose steps cannot fit.

    Args:
        config: With the encoder and its resolution.
        section: Of the pre-training, resolved.
        device: Where it trains.
        channels: Of the images, or the fewest that they can have.

    Raises:
        RunError: If a step needs more memory than there is.
    """
    free = free_bytes(device)
    if free is None:
        return
    certain = needed = least_pretraining_bytes(config, section)
    qualifier = "at least"
    # Settings that make no network are named where it is built.
    with contextlib.suppress(RuntimeError, ValueError):
        if most_pretraining_bytes(config, section, channels) <= free:
            return
        if needed <= free:
            needed = taken_bytes(pretraining_bytes(config, section, channels), config, device)
            certain, qualifier = max(certain, int(CERTAIN * needed)), "about"
    if certain <= free:
        return
    images = "one image" if section.batch == 1 else f"a batch of {section.batch:,} images"
    raise RunError(
        f"out of memory: pre-training on {images} of {config.data.resolution.plain} px or more needs {qualifier}"
        f" {size(needed)}, but {size(free)} are free. Expected room for one batch. Begin with a smaller --batch, a"
        " lower --resolution or a smaller network (discriminator.width, discriminator.depth), or close other programs."
    )


def _on_meta(config: ResolvedConfig, channels: int) -> tuple[VisionEncoder, MaskedPatchHead]:
    """The networks of a pre-training on torch's device "meta"."""
    with torch.device("meta"):
        encoder = build_discriminator(
            config.discriminator,
            resolution=config.data.resolution,
            image_channels=channels,
            num_classes=0,
        ).get_submodule("encoder")
        assert isinstance(encoder, VisionEncoder)
        return encoder, head_for(encoder)
