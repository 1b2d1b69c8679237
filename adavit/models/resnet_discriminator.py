"""The residual discriminator of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958, figure 7)."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from adavit.models.layers import EqualisedConv2d, EqualisedLinear
from adavit.models.minibatch_std import minibatch_std
from adavit.models.precision import full_precision
from adavit.models.projection import LabelProjection
from adavit.models.sizes import (
    BASE_RESOLUTION,
    channels_at,
    check_at_least,
    check_images,
    check_labels,
    check_resolution,
)


class ResidualBlock(nn.Module):
    """Two convolutions and a skip connection, at half the side; (main + skip) / sqrt 2.

    The factor 1 / sqrt 2 is folded into the weights of both branches.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = math.sqrt(0.5)
        self.first = EqualisedConv2d(in_channels, in_channels, 3, activation=True)
        self.second = EqualisedConv2d(
            in_channels, out_channels, 3, activation=True, downsample=True, output_gain=half
        )
        self.skip = EqualisedConv2d(
            in_channels, out_channels, 1, bias=False, downsample=True, output_gain=half
        )

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, C, H, W] to [B, O, H / 2, W / 2]."""
        output: Tensor = self.second(self.first(features)) + self.skip(features)
        return output


class ResNetDiscriminator(nn.Module):
    """Images to logits: residual blocks down to 4 pixels, then a small judge.

    The judge is minibatch standard deviation, a 3x3 convolution and two dense layers.

    Args:
        resolution: Side of the images in pixels, 4 * 2^k.
        image_channels: Channels of the images, >= 1.
        num_classes: Number of classes, seen by projection; 0 for none.
        channel_base: Channels at resolution r are min(channel_base // r, channel_max).
        channel_max: See `channel_base`.
        minibatch_std_group: Images compared with each other, see `minibatch_std`; 0 leaves the
            layer out.

    Raises:
        ValueError: If a size is out of range.
    """

    def __init__(
        self,
        *,
        resolution: int,
        image_channels: int = 3,
        num_classes: int = 0,
        channel_base: int = 16384,
        channel_max: int = 512,
        minibatch_std_group: int = 4,
    ) -> None:
        super().__init__()
        doublings = check_resolution(resolution)
        check_at_least("image_channels", image_channels, 1)
        check_at_least("num_classes", num_classes, 0)
        check_at_least("minibatch_std_group", minibatch_std_group, 0)
        self.resolution = resolution
        self.image_channels = image_channels
        self.num_classes = num_classes
        self.minibatch_std_group = minibatch_std_group
        sides = [BASE_RESOLUTION * 2**k for k in range(doublings, -1, -1)]
        widths = [
            channels_at(side, channel_base=channel_base, channel_max=channel_max) for side in sides
        ]
        width = widths[-1]
        self.from_image = EqualisedConv2d(image_channels, widths[0], 1, activation=True)
        self.blocks = nn.Sequential(
            *(ResidualBlock(before, after) for before, after in pairwise(widths))
        )
        self.convolution = EqualisedConv2d(
            width + (minibatch_std_group > 0), width, 3, activation=True
        )
        self.dense = EqualisedLinear(width * BASE_RESOLUTION**2, width, activation=True)
        self.readout = EqualisedLinear(width, width if num_classes else 1)
        self.projection = LabelProjection(num_classes, width) if num_classes else None

    def forward(
        self, images: Tensor, labels: Tensor | None = None, *, twice_differentiable: bool = False
    ) -> Tensor:
        """Judges images.

        Args:
            images: Images [B, C, H, W] in [-1, 1]. Not modified.
            labels: Class numbers [B], int64, or None without classes.
            twice_differentiable: Whether gradients of gradients will be taken; every operation here
                always allows them, so it changes nothing. The argument is that of all
                discriminators.

        Returns:
            Logits [B], float32; above 0 means real.

        Raises:
            ValueError: If the shapes do not fit, or labels are missing or unexpected.
        """
        check_images(images, resolution=self.resolution, image_channels=self.image_channels)
        check_labels(labels, num_classes=self.num_classes, batch=images.shape[0])
        # With one image channel both memory formats look the same, so the format is set after the
        # first layer too.
        features = self.from_image(images.contiguous(memory_format=torch.channels_last))
        features = self.blocks(features.contiguous(memory_format=torch.channels_last))
        if self.minibatch_std_group:
            deviation = minibatch_std(features, self.minibatch_std_group).to(features.dtype)
            plane = deviation[:, None, None, None].expand(-1, 1, BASE_RESOLUTION, BASE_RESOLUTION)
            features = torch.cat([features, plane], dim=1)
        vectors = self.convolution(features).flatten(1)
        with torch.autocast(images.device.type, enabled=False):
            vectors = self.readout(self.dense(full_precision(vectors)))
            if self.projection is not None and labels is not None:
                logits: Tensor = self.projection(vectors, labels)
                return logits
            return vectors.squeeze(1)
