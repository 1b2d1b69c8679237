"""Images to tokens: flattened, overlapping and shifted patches, and stacked convolutions.

No norm couples the samples.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.convolution import Convolution
from adavit.models.layers import Dense
from adavit.models.vit.norm import LayerNorm

# Below this standard deviation of its pixels (of a range of 2) a patch is hardly amplified.
FLAT_PATCH_STD = 0.1


class LinearStem(nn.Module):
    """Cuts images into patches that do not overlap and maps each to a token by one dense layer.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, section 3.1, equation 1).

    Args:
        image_channels: Channels of the images.
        patch: Side of a patch in pixels.
        width: Features D of a token.
    """

    def __init__(self, *, image_channels: int, patch: int, width: int) -> None:
        super().__init__()
        self.patch = patch
        self.projection = Dense(image_channels * patch**2, width)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        patches = F.pixel_unshuffle(images, self.patch)  # [B, C P P, H / P, W / P]
        tokens: Tensor = self.projection(patches.flatten(2).transpose(1, 2))
        return tokens


class OverlappingStem(nn.Module):
    """Patches of twice the side at the same stride, so that neighbours share half of their pixels.

    ViTGAN (Lee et al. 2022, arXiv:2107.04589): without hard borders the discriminator
    cannot lock on the grid. The border is padded with zeros.

    Args:
        image_channels: Channels of the images.
        patch: Distance of the patches in pixels.
        width: Features D of a token.
    """

    def __init__(self, *, image_channels: int, patch: int, width: int) -> None:
        super().__init__()
        before = patch // 2
        self.margins = (before, patch - before, before, patch - before)
        self.projection = Convolution(image_channels, width, 2 * patch, stride=patch)
        draw_as_dense(self.projection)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        features = self.projection(F.pad(images, self.margins))  # [B, D, H / P, W / P]
        tokens: Tensor = features.flatten(2).transpose(1, 2)
        return tokens


class ShiftedPatchStem(nn.Module):
    """Shifted patch tokenisation: patches of the image and of four copies of it, moved diagonally.

    Lee et al. 2021 (arXiv:2112.13492, section 3): the copies are moved by half a patch to the four
    corners, all five are cut into patches, normalised and mapped by one dense layer. The
    normalisation gives a flat patch a gain of at most 10 here: with the usual epsilon it is
    hundreds, and R1 explodes on flat backgrounds and cut-out squares.

    Args:
        image_channels: Channels of the images.
        patch: Side of a patch in pixels, >= 2.
        width: Features D of a token.
    """

    def __init__(self, *, image_channels: int, patch: int, width: int) -> None:
        super().__init__()
        self.patch = patch
        features = 5 * image_channels * patch**2
        self.norm = LayerNorm(features, eps=FLAT_PATCH_STD**2)
        self.projection = Dense(features, width)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        half = self.patch // 2
        moves = [(0, 0), (half, half), (half, -half), (-half, half), (-half, -half)]
        copies = [F.pad(images, (x, -x, y, -y)) for x, y in moves]  # cut off here, zeros there
        patches = F.pixel_unshuffle(
            torch.cat(copies, dim=1), self.patch
        )  # [B, 5 C P P, rows, columns]
        tokens: Tensor = self.projection(self.norm(patches.flatten(2).transpose(1, 2)))
        return tokens


def draw_as_dense(layer: nn.Conv2d) -> None:
    """Draws a convolution without activation as the dense layer that it is of each of its windows."""
    nn.init.xavier_uniform_(layer.weight.flatten(1))  # a view
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


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
        self.projection = Convolution(width, width, 1)
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
        self.projection = Convolution(width, width, 1)
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
        self.skip = Convolution(in_channels, out_channels, 1)
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
    layer = Convolution(in_channels, out_channels, 3, stride=stride, padding=1)
    nn.init.kaiming_normal_(layer.weight, a=LEAKY_RELU_SLOPE)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
