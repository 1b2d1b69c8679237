"""The frame of the convolutional discriminators: blocks down to the smallest grid, then an epilogue."""

import contextlib
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from adavit.models.epilogue import LabelProjection, minibatch_std
from adavit.models.last_layer import LastLayer
from adavit.models.names import Side, part
from adavit.models.resnet.chain import Chain, ChainConv2d, ChainPass
from adavit.models.resnet.r3gan import R3GANForm
from adavit.models.resnet.stylegan2 import PlainBlock, ResidualBlock, StyleGAN2Form
from adavit.models.sizes import check_at_least, check_images, check_labels, widths_of
from adavit.runtime.precision import without_autocast
from adavit.runtime.resolution import AnyResolution, Resolution


class Form(Protocol):
    """Interface of a form of the convolutional discriminator: the layers in which the forms differ."""

    def from_image(self, image_channels: int, width: int) -> nn.Module:
        """Images to features of the same side."""

    def blocks(self, widths: list[int]) -> nn.Sequential:
        """Features of widths[0] channels to widths[-1] at the smallest grid, halving the side at each width."""

    def epilogue(self, width: int, further: int, grid: Resolution) -> nn.Module:
        """Features [B, width + further, *grid] to vectors [B, epilogue.features], float32."""

    def readout(self, features: int, outputs: int) -> nn.Module:
        """Vectors to logits, or to what labels are compared with."""


FORMS: dict[str, Form] = {
    "residual": StyleGAN2Form(ResidualBlock),
    "plain": StyleGAN2Form(PlainBlock),
    "r3gan": R3GANForm(),
}

NORMALIZATIONS: dict[str, dict[str, Form]] = {
    "none": FORMS,
    # Not R3GAN's, which is about doing without: its blocks start at a weight of 0, which has no norm to divide by.
    "chain": {
        "residual": StyleGAN2Form(ResidualBlock, ChainConv2d),
        "plain": StyleGAN2Form(PlainBlock, ChainConv2d),
    },
}
"""By normalisation, the forms that it can be had in."""


class ResNetDiscriminator(nn.Module):
    """Images to logits: blocks, minibatch standard deviation, an epilogue and a dense layer.

    Args:
        resolution: Height and width of the images, as `Resolution.of` takes them.
        image_channels: Channels of the images, >= 1.
        num_classes: Number of classes, seen by projection; 0 for none.
        form: Which blocks and epilogue, a name in `FORMS`.
        channel_base: Channels at side r are min(channel_base // r, channel_max), r = 4 * 2^k at the kth doubling.
        channel_max: See `channel_base`.
        minibatch_std_group: Images compared with each other, see `minibatch_std`; 0 leaves the
            layer out.
        normalization: Of the features, a name in `NORMALIZATIONS`.
        label_layers: Dense layers between a class's vector and what images are compared with, >= 0.

    Raises:
        ValueError: If a size is out of range, or there is no such form or normalisation.
    """

    def __init__(
        self,
        *,
        resolution: AnyResolution,
        image_channels: int,
        num_classes: int,
        form: str,
        channel_base: int,
        channel_max: int,
        minibatch_std_group: int,
        normalization: str,
        label_layers: int,
    ) -> None:
        super().__init__()
        check_at_least("image_channels", image_channels, 1)
        check_at_least("num_classes", num_classes, 0)
        check_at_least("minibatch_std_group", minibatch_std_group, 0)
        check_at_least("label_layers", label_layers, 0)
        parts = part(part(NORMALIZATIONS, "normalization", normalization), "form", form)
        self.resolution = Resolution.of(resolution)
        self.image_channels = image_channels
        self.num_classes = num_classes
        self.minibatch_std_group = minibatch_std_group
        widths = widths_of(self.resolution, channel_base=channel_base, channel_max=channel_max)[
            ::-1
        ]
        self.from_image = parts.from_image(image_channels, widths[0])
        self.blocks = parts.blocks(widths)
        self.epilogue = parts.epilogue(
            widths[-1], int(minibatch_std_group > 0), self.resolution.smallest
        )
        features = self.epilogue.features
        assert isinstance(features, int)
        self.head = LastLayer(
            parts.readout(features, features if num_classes else 1),
            LabelProjection(num_classes, features, label_layers) if num_classes else None,
        )
        self.chain = Chain(self) if normalization == "chain" else None

    def draw_pass(self, batch: int, side: Side, generator: torch.Generator) -> dict[str, Any]:
        """Draws what is normalised in a training pass; passes that are compared share one draw.

        Args:
            batch: Number of images B.
            side: Whose they are.
            generator: Source of the draw, on the device of the images.

        Returns:
            Arguments of `forward`.
        """
        return {} if self.chain is None else {"chain_pass": self.chain.draw(batch, side, generator)}

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        twice_differentiable: bool = False,
        chain_pass: ChainPass | None = None,
    ) -> Tensor:
        """Computes the logits of images.

        Args:
            images: Images [B, C, H, W] in [-1, 1]. Not modified.
            labels: Class numbers [B], int64, or None without classes.
            twice_differentiable: Whether gradients of gradients will be taken; every operation here
                always allows them, so it changes nothing. The argument is that of all
                discriminators.
            chain_pass: Of a training pass with normalised features, from `draw_pass`.

        Returns:
            Logits [B], float32; above 0 means real.

        Raises:
            ValueError: If the shapes do not fit, or labels are missing or unexpected.
        """
        return self.judge(
            images, labels, twice_differentiable=twice_differentiable, chain_pass=chain_pass
        )[0]

    def judge(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        twice_differentiable: bool = False,
        chain_pass: ChainPass | None = None,
    ) -> tuple[Tensor, tuple[Tensor]]:
        """The logits of `forward`, and the vectors of which `head` has read them."""
        check_images(images, size=self.resolution, image_channels=self.image_channels)
        check_labels(labels, num_classes=self.num_classes, batch=images.shape[0])
        idle = contextlib.nullcontext()
        with idle if self.chain is None else self.chain.during(chain_pass):
            vectors = self._vectors(images)
        with without_autocast(images.device):
            vectors = self.head.prepare(vectors)
            return self.head.read(vectors, labels), (vectors,)

    def _vectors(self, images: Tensor) -> Tensor:
        """What is judged of images [B, C, H, W]: vectors [B, F], float32."""
        # With one image channel both memory formats look the same, so the format is set after the
        # first layer too.
        features = self.from_image(images.contiguous(memory_format=torch.channels_last))
        features = self.blocks(features.contiguous(memory_format=torch.channels_last))
        if self.minibatch_std_group:
            deviation = minibatch_std(features, self.minibatch_std_group).to(features.dtype)
            plane = deviation[:, None, None, None].expand(-1, 1, *features.shape[2:])
            features = torch.cat([features, plane], dim=1)
        vectors: Tensor = self.epilogue(features)
        return vectors
