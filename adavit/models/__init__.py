"""The networks: a StyleGAN2 generator, and a residual and a vision-transformer discriminator."""

from typing import TYPE_CHECKING

from adavit.runtime.on_demand import on_demand

__all__ = ["Generator", "ResNetDiscriminator", "ViTDiscriminator", "count_parameters"]

if TYPE_CHECKING:
    from torch import nn

    from adavit.models.generator import Generator
    from adavit.models.resnet.discriminator import ResNetDiscriminator
    from adavit.models.vit.discriminator import ViTDiscriminator
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "Generator": "adavit.models.generator",
            "ResNetDiscriminator": "adavit.models.resnet.discriminator",
            "ViTDiscriminator": "adavit.models.vit.discriminator",
        },
    )


def count_parameters(module: "nn.Module") -> int:
    """Number of parameters of a module; buffers are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())
