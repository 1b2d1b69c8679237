"""From a configuration to networks; the only place where the two meet."""

from typing import Any

from torch import nn

from adavit.config.run import GeneratorConfig, ResNetConfig, ViTConfig
from adavit.models.generator import Generator
from adavit.models.resnet.discriminator import ResNetDiscriminator
from adavit.models.vit.discriminator import ViTDiscriminator


def generator_arguments(
    config: GeneratorConfig, *, resolution: int, image_channels: int, num_classes: int
) -> dict[str, Any]:
    """Keyword arguments of `Generator`; plain values, as kept in the metadata of a generator file."""
    return {
        "resolution": resolution,
        "image_channels": image_channels,
        "num_classes": num_classes,
        **config.model_dump(),
    }


def build_generator(
    config: GeneratorConfig, *, resolution: int, image_channels: int, num_classes: int
) -> Generator:
    """The generator of a resolved configuration."""
    return Generator(
        **generator_arguments(
            config, resolution=resolution, image_channels=image_channels, num_classes=num_classes
        )
    )


def build_discriminator(
    config: ViTConfig | ResNetConfig, *, resolution: int, image_channels: int, num_classes: int
) -> nn.Module:
    """The discriminator of a resolved configuration."""
    network = {"vit": ViTDiscriminator, "resnet": ResNetDiscriminator}[config.kind]
    return network(
        resolution=resolution,
        image_channels=image_channels,
        num_classes=num_classes,
        **config.model_dump(exclude={"kind"}),
    )
