"""The networks: a StyleGAN2 generator, and a residual and a vision-transformer discriminator."""

from torch import nn

from adavit.models.generator import Generator
from adavit.models.resnet.discriminator import ResNetDiscriminator
from adavit.models.vit.discriminator import ViTDiscriminator

__all__ = ["Generator", "ResNetDiscriminator", "ViTDiscriminator", "count_parameters"]


def count_parameters(module: nn.Module) -> int:
    """Number of parameters of a module; buffers are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())
