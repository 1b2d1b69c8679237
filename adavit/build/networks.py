"""Builds generator and discriminator from a configuration."""

from typing import Any

import torch
from torch import nn

from adavit.config.discriminator import DiscriminatorConfig, ProjectedConfig, ViTConfig
from adavit.config.run import GeneratorConfig, ResolvedConfig
from adavit.features.critic import FeatureCritic
from adavit.features.discriminator import ProjectedDiscriminator
from adavit.features.teachers import transformer_width
from adavit.models.distillation import add_predictors
from adavit.models.epilogue import LABEL_LAYERS
from adavit.models.generator import Generator
from adavit.models.masked_patches.prediction import add_head
from adavit.models.resnet.discriminator import ResNetDiscriminator
from adavit.models.san import slice_last_layers
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.runtime.randomness import seed_for
from adavit.runtime.resolution import Resolution


def generator_arguments(
    config: GeneratorConfig, *, resolution: Resolution, image_channels: int, num_classes: int
) -> dict[str, Any]:
    """Keyword arguments of `Generator`; plain values, as kept in the metadata of a generator file."""
    return {
        "resolution": resolution.plain,
        "image_channels": image_channels,
        "num_classes": num_classes,
        **config.model_dump(),
    }


def build_generator(
    config: GeneratorConfig, *, resolution: Resolution, image_channels: int, num_classes: int
) -> Generator:
    """The generator of a resolved configuration."""
    return Generator(
        **generator_arguments(
            config, resolution=resolution, image_channels=image_channels, num_classes=num_classes
        )
    )


def build_discriminator(
    config: DiscriminatorConfig,
    *,
    resolution: Resolution,
    image_channels: int,
    num_classes: int,
    critic: FeatureCritic | None = None,
) -> nn.Module:
    """The discriminator of a resolved configuration.

    Args:
        config: Which kind, and its sizes.
        resolution: Of the images.
        image_channels: Of the images.
        num_classes: Number of classes; 0 for unconditional networks.
        critic: What a projected one consists of.
    """
    if isinstance(config, ProjectedConfig):
        assert critic is not None
        return ProjectedDiscriminator(critic, image_channels=image_channels)
    shape = {
        "resolution": resolution,
        "image_channels": image_channels,
        "num_classes": num_classes,
        **config.model_dump(exclude={"kind"}),
    }
    if isinstance(config, ViTConfig):
        return ViTDiscriminator(**shape)
    if config.label_layers is None:
        shape["label_layers"] = LABEL_LAYERS
    return ResNetDiscriminator(**shape)


def build_networks(
    config: ResolvedConfig,
    *,
    image_channels: int,
    num_classes: int,
    critic: FeatureCritic | None = None,
) -> tuple[Generator, nn.Module]:
    """Generator and discriminator as a run starts with them, on the CPU.

    Weights are drawn there from the run's seed, so that they are the same whatever the device.

    Args:
        config: Resolved.
        image_channels: Channels of the images.
        num_classes: Number of classes; 0 for unconditional networks.
        critic: On frozen features, which is all of a projected discriminator.

    Raises:
        UserError: If `training.distill_network` names no transformer.
    """
    shape: dict[str, Any] = {
        "resolution": config.data.resolution,
        "image_channels": image_channels,
        "num_classes": num_classes,
    }
    training = config.training
    # Looked up before anything is drawn: its library may draw too.
    target = transformer_width(training.distill_network) if training.distill_weight else 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(config.run.seed, "weights", 0))
        generator = build_generator(config.generator, **shape)
        discriminator = build_discriminator(config.discriminator, **shape, critic=critic)
        if training.masked_patch_weight:
            add_head(discriminator)
        if target:
            add_predictors(discriminator, hidden=training.distill_width, target=target)
        if training.san:
            slice_last_layers(discriminator)
    return generator, discriminator
