"""Images to tokens by stacked convolutions, each stage halving the side. No norm couples the samples."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.vit.stems import draw_as_dense

LEAKY_RELU_SLOPE = 0.2


class ConvolutionalStem(nn.Module):
    """Early convolutions: log2(patch) of 3x3 with stride 2, then one of 1x1.

    Xiao et al. 2021 (arXiv:2106.14881, section 3): the channels double from one to the next and
    reach D at the last. Their batch norm, which would let a discriminator's logit depend on the
    other images, is left out, and the activation is StyleGAN2's leaky ReLU.

    Args:
        image_channels: Channels of the images.
        patch: Distance of the tokens in pixels, 2^k with k >= 1.
        width: Features D of a token.
    """

    def __init__(self, *, image_channels: int, patch: int, width: int) -> None:
        super().__init__()
        channels = stage_channels(patch=patch, width=width)
        self.stages = nn.Sequential()
        for before, after in zip([image_channels, *channels], channels, strict=False):
            self.stages.append(convolution(before, after, stride=2))
            self.stages.append(nn.LeakyReLU(LEAKY_RELU_SLOPE))
        self.projection = nn.Conv2d(width, width, 1)
        draw_as_dense(self.projection)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        tokens: Tensor = self.projection(self.stages(images)).flatten(2).transpose(1, 2)
        return tokens


class HybridStem(nn.Module):
    """A small ResNet under the encoder, whose feature map is cut into patches of one element.

    The hybrid architecture of Dosovitskiy et al. 2021 (arXiv:2010.11929, section 3.1), with
    log2(patch) residual stages instead of their ResNet-50, trained from scratch.

    Args:
        image_channels: Channels of the images.
        patch: Distance of the tokens in pixels, 2^k with k >= 1.
        width: Features D of a token.
    """

    def __init__(self, *, image_channels: int, patch: int, width: int) -> None:
        super().__init__()
        channels = stage_channels(patch=patch, width=width)
        self.from_image = convolution(image_channels, channels[0])
        self.stages = nn.Sequential(
            *(
                ResidualStage(*pair)
                for pair in zip([channels[0], *channels], channels, strict=False)
            )
        )
        self.projection = nn.Conv2d(width, width, 1)
        draw_as_dense(self.projection)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        features = self.stages(self.from_image(images))  # [B, D, H / P, W / P]
        tokens: Tensor = self.projection(features).flatten(2).transpose(1, 2)
        return tokens


class ResidualStage(nn.Module):
    """Two 3x3 convolutions before which the features are activated, and a skip, at half the side.

    Full pre-activation of He et al. 2016 (arXiv:1603.05027), figure 4e, without its batch norm;
    halved by averaging, as in the discriminators of Gulrajani et al. 2017 (arXiv:1704.00028).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = convolution(in_channels, in_channels)
        self.second = convolution(in_channels, out_channels)
        self.skip = nn.Conv2d(in_channels, out_channels, 1)
        draw_as_dense(self.skip)

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, C, H, W] to [B, O, H / 2, W / 2]."""
        main = self.first(F.leaky_relu(features, LEAKY_RELU_SLOPE))
        main = F.avg_pool2d(self.second(F.leaky_relu(main, LEAKY_RELU_SLOPE)), 2)
        skip = self.skip(F.avg_pool2d(features, 2))
        return (main + skip) * math.sqrt(0.5)  # keeps the variance


def stage_channels(*, patch: int, width: int) -> list[int]:
    """Channels after each halving of the side: doubling, D at the last.

    Args:
        patch: 2^k with k >= 1.
        width: Features D of a token.

    Returns:
        k numbers, >= 1.
    """
    halvings = patch.bit_length() - 1
    return [max(1, width >> (halvings - stage)) for stage in range(1, halvings + 1)]


def convolution(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution beside a leaky ReLU, with weights of He et al. 2015 (arXiv:1502.01852, section 2.2)."""
    layer = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
    nn.init.kaiming_normal_(layer.weight, a=LEAKY_RELU_SLOPE)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
