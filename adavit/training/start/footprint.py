"""The memory that a training step needs, told before the images are decoded.

At a glance it is a lower bound, by a formula. Where that comes near to what there is, the passes of a step are
gone through with tensors that have shapes and no content (torch's device "meta"), and what is alive at
the same time is counted. Benchmark figures are in `benchmarks/results/step_memory_cpu.md`. A critic on frozen features,
and a teacher, have no formula: they are counted, unless there is room for the largest.
"""

import contextlib
from typing import Any

import torch
from torch import Tensor, nn

from adavit.build.critic import build_critic_on
from adavit.build.networks import build_networks
from adavit.config.discriminator import ResNetConfig, ViTConfig
from adavit.config.run import ResolvedConfig
from adavit.errors import RunError
from adavit.features.choice import find_network
from adavit.features.critic import FeatureCritic
from adavit.features.teachers import unread_teacher
from adavit.models import Generator, ResNetDiscriminator
from adavit.models.distillation import (
    PREDICTORS,
    TokenPredictors,
    distillation_loss,
    predict_tokens,
)
from adavit.models.names import Side
from adavit.models.published_vit import PATCH
from adavit.models.vit.encoder import VisionEncoder
from adavit.runtime.devices import is_accelerator
from adavit.runtime.memory import free_bytes
from adavit.runtime.place import Place
from adavit.runtime.resolution import Resolution
from adavit.runtime.wording import size
from adavit.training.objectives.losses import LOSSES
from adavit.training.objectives.penalties import path_lengths, r1_penalty
from adavit.training.start.live_bytes import LiveBytes

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

HOPELESS = 4
"""Where the lower bound is so many times what there is, nothing is counted either: networks may be of any size."""

OVERHEAD = 1.3
"""What a process takes for the bytes that are alive: copies in other layouts, workspaces, gaps between allocations;
measured are 1.25 to 1.53."""

CERTAIN = 0.7
"""Part of the estimate that a step certainly needs; measured are 0.96 of it and more."""

COUNTED_IMAGES = 8
"""Images of the counted passes; what is alive grows in proportion to them."""


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
        tokens = resolution.area // discriminator.patch**2
        held += TOKEN_VECTORS * tokens * discriminator.width * discriminator.depth
    elif isinstance(discriminator, ResNetConfig):
        base, most = discriminator.channel_base, discriminator.channel_max
        held += DISCRIMINATOR_MAPS * _maps(resolution, base, most)
    weights = generator.style_dim * generator.latent_dim
    weights += generator.style_dim**2 * (generator.mapping_layers - 1)
    pixels = training.batch * resolution.area  # of the real images, in bytes, one channel
    return number * held * config.training.images_at_a_time + 4 * WEIGHT_COPIES * weights + pixels


def counted_bytes(config: ResolvedConfig) -> int:
    """Bytes that one step holds at the same time, counted: without augmentation, in float32, not compiled.

    It is a step in which R1, R2 and the path length are due, if they are in the run.

    Args:
        config: Of the run.

    Raises:
        RuntimeError: If the networks are larger than torch can name.
        ValueError: If the settings make no network.
    """
    training, count = config.training, COUNTED_IMAGES
    count = min(count, config.training.images_at_a_time)
    with torch.device("meta"):
        critic = _critic(config)
        generator, discriminator = build_networks(
            config, image_channels=3, num_classes=0, critic=critic
        )
        real = torch.empty(count, 3, *config.data.resolution, requires_grad=True)
        latents = torch.empty(count, config.generator.latent_dim)
        teacher = _teacher(config)
    frozen = [] if critic is None else [*critic.buffers(), *_all_of(critic.frozen[0])]
    frozen += [] if teacher is None else _all_of(teacher)
    if config.discriminator.kind == "projected":
        critic = None  # not beside the discriminator, but within it
    judges = nn.ModuleList([discriminator] if critic is None else [discriminator, critic])
    weights = [sum(p.nbytes for p in net.parameters()) for net in (generator, judges)]
    fixed = sum(tensor.nbytes for tensor in frozen)
    once = 2 * sum(weights) + fixed  # with gradients
    with LiveBytes([*generator.parameters(), *judges.parameters(), *frozen]) as live:
        _passes(config, generator, discriminator, critic, teacher, real, latents)
    per_microbatch = (live.peak - once) * config.training.images_at_a_time // count
    copies = WEIGHT_COPIES * weights[0] + (WEIGHT_COPIES - 1) * weights[1] + fixed
    # While a microbatch is computed, sums over those before it are held; see `adavit.training.step.reduction`.
    sums = (training.batch // config.training.images_at_a_time).bit_length() - 1
    return per_microbatch + copies + sums * sum(weights) + 4 * real[0].numel() * training.batch


def expected_bytes(config: ResolvedConfig) -> int:
    """Bytes by which a process grows that takes such steps, about.

    Args:
        config: Of the run.

    Raises:
        RuntimeError: As `counted_bytes`.
        ValueError: Likewise.
    """
    return int(OVERHEAD * counted_bytes(config))


def features_bytes(config: ResolvedConfig) -> int:
    """The part of `expected_bytes` that a critic on frozen features adds: weights, activations and heads.

    Args:
        config: Of the run.

    Raises:
        RuntimeError: As `counted_bytes`.
        ValueError: Likewise.
    """
    unseen = config.features.model_copy(update={"network": None})
    return expected_bytes(config) - expected_bytes(config.model_copy(update={"features": unseen}))


def distillation_bytes(config: ResolvedConfig) -> int:
    """The part that a teacher adds: its weights and tokens, what predicts them, and a pass of the discriminator.

    Args:
        config: Of the run.

    Raises:
        RuntimeError: As `counted_bytes`.
        ValueError: Likewise.
    """
    untaught = config.training.model_copy(update={"distill_weight": 0.0})
    return expected_bytes(config) - expected_bytes(config.model_copy(update={"training": untaught}))


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
        processes: That are to share this machine, where they are not there yet.

    Raises:
        StepTooLarge: If a step needs more memory than there is.
    """
    needed, free = least_bytes(config), free_bytes(device)
    if free is not None and not is_accelerator(device):
        here = Place.here()
        free //= here.local_size if here.size > 1 else processes
    if free is None or NEAR * needed + _most_for_frozen(config) <= free:
        return
    certain, qualifier = needed, "at least"
    plain = config.training.precision == "float32" and not config.training.compile
    if plain and needed <= HOPELESS * free:
        # Settings that make no network are named where it is built.
        with contextlib.suppress(RuntimeError, ValueError):
            needed, qualifier = expected_bytes(config), "about"
            certain = max(certain, int(CERTAIN * needed))
    if certain <= free:
        return
    count = config.training.images_at_a_time
    images = f"a microbatch of {count:,} images" if count > 1 else "one image"
    raise StepTooLarge(
        f"out of memory: training on {images} of {config.data.resolution.plain} px or more needs"
        f" {qualifier} {size(needed)}, but {size(free)} are free. Expected room for one microbatch."
    )


def _passes(
    config: ResolvedConfig,
    generator: Generator,
    discriminator: nn.Module,
    critic: FeatureCritic | None,
    teacher: nn.Module | None,
    real: Tensor,
    latents: Tensor,
) -> None:
    """Those of `AdversarialStep`, in its order."""
    training = config.training
    exact, loss = training.penalty == "exact", LOSSES[training.loss]
    r1, r2 = exact and training.r1_gamma > 0, exact and training.r2_gamma > 0
    generated = generator(latents)
    drawn: dict[Side, dict[str, Any]] = {"real": {}, "generated": {}}
    if isinstance(discriminator, ResNetDiscriminator):
        for side in drawn:
            drawn[side] = discriminator.draw_pass(len(real), side, torch.Generator())
    false = discriminator(generated, twice_differentiable=r2, **drawn["generated"])
    true = discriminator(real, twice_differentiable=r1, **drawn["real"])
    g_loss = loss.generator(false, true).mean()
    d_loss = loss.discriminator(true, false).mean()
    heads: list[nn.Parameter] = []
    if critic is not None:
        heads = [weight for weight in critic.parameters() if weight.requires_grad]
        with torch.no_grad():
            maps = critic.maps(real)
        pairs = zip(critic(generated), critic.judge(maps, None), strict=True)
        plays = LOSSES[config.features.loss]
        for fake, shown in pairs:
            g_loss = g_loss + plays.generator(fake, shown.logits).mean()
            d_loss = d_loss + plays.discriminator(shown.logits, fake).mean()
    if training.path_length:
        styles = generator.mapping(latents[: (len(latents) + 1) // 2])
        styles = styles[:, None].repeat(1, generator.synthesis.style_count, 1)
        images = generator.synthesis(styles)
        g_loss = g_loss + path_lengths(images, styles, torch.empty_like(images)).square().mean()
    g_loss.backward(retain_graph=True, inputs=list(generator.parameters()))
    del g_loss
    for due, logits, images in ((r1, true, real), (r2, false, generated)):
        if due:
            d_loss = d_loss + r1_penalty(logits, images).mean()
    if teacher is not None:
        seen = real.detach()
        encoder, predictors = map(discriminator.get_submodule, ("encoder", PREDICTORS))
        assert isinstance(encoder, VisionEncoder)
        assert isinstance(predictors, TokenPredictors)
        wanted = teacher(seen)
        d_loss = d_loss + distillation_loss(predict_tokens(encoder, predictors, seen), wanted)
    weights = [weight for weight in discriminator.parameters() if weight.requires_grad]
    d_loss.backward(inputs=[*weights, *heads])


def _critic(config: ResolvedConfig) -> FeatureCritic | None:
    """The heads on frozen features and their network, without weights."""
    features = config.features
    if features.network is None:
        return None
    network = find_network(features.network).unread(
        side=features.side, maps=features.maps, class_token=features.class_token
    )
    return build_critic_on(network, features, num_classes=0)


def _teacher(config: ResolvedConfig) -> nn.Module | None:
    """The network whose tokens are distilled, without weights."""
    training, discriminator = config.training, config.discriminator
    if not training.distill_weight or not isinstance(discriminator, ViTConfig):
        return None
    return unread_teacher(
        training.distill_network,
        resolution=config.data.resolution,
        image_channels=3,
        patch=discriminator.patch,
    )


def _most_for_frozen(config: ResolvedConfig) -> int:
    """Of networks trained on other images, at the most."""
    areas = [] if config.features.network is None else [config.features.side**2]
    if config.training.distill_weight and isinstance(config.discriminator, ViTConfig):
        areas.append(PATCH**2 * config.data.resolution.area // config.discriminator.patch**2)
    return sum(
        LARGEST_FROZEN + PIXEL_SEEN * config.training.images_at_a_time * area for area in areas
    )


def _all_of(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _maps(resolution: Resolution, channel_base: int, channel_max: int) -> int:
    """Numbers in one feature map of each resolution of a convolutional network, for one image."""
    return sum(
        max(1, min(channel_base // grid.nominal_side, channel_max)) * grid.area
        for grid in resolution.grids
    )
