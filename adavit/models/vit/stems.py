"""Images to tokens: flattened, overlapping and shifted patches, and stacked convolutions.

Patches are P pixels high and Q wide. No norm couples the samples.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.convolution import Convolution
from adavit.models.layers import Dense
from adavit.models.vit.norm import LayerNorm
from adavit.runtime.patch import Patch

# What the weight that meets the pixels is called, without and with a constraint on it (`constraints`).
_PIXEL_WEIGHTS = ("projection.weight", "projection.parametrizations.weight.original")

# Below this standard deviation of its pixels (of a range of 2) a patch is hardly amplified.
FLAT_PATCH_STD = 0.1


class LinearStem(nn.Module):
    """Cuts images into patches that do not overlap and maps each to a token by one dense layer.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, section 3.1, equation 1).

    Args:
        image_channels: Channels of the images.
        patch: Of any sides.
        width: Features D of a token.
    """

    of_pixels: ClassVar[tuple[str, ...]] = _PIXEL_WEIGHTS
    """Names of weights whose last axis is the pixels of a patch."""

    def __init__(self, *, image_channels: int, patch: Patch, width: int) -> None:
        super().__init__()
        self.patch = patch
        self.projection = Dense(image_channels * patch.area, width)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        patches = pixels_of_patches(images, self.patch)  # [B, C P Q, H / P, W / Q]
        tokens: Tensor = self.projection(patches.flatten(2).transpose(1, 2))
        return tokens


class OverlappingStem(nn.Module):
    """Patches of twice the sides at the same stride, so that neighbours share half of their pixels.

    ViTGAN (Lee et al. 2022, arXiv:2107.04589): without hard borders the discriminator
    cannot lock on the grid. The border is padded with zeros.

    Args:
        image_channels: Channels of the images.
        patch: Distances of the patches.
        width: Features D of a token.
    """

    def __init__(self, *, image_channels: int, patch: Patch, width: int) -> None:
        super().__init__()
        high, wide = patch
        top, left = high // 2, wide // 2
        self.margins = (left, wide - left, top, high - top)
        window = (2 * high, 2 * wide)
        self.projection = Convolution(image_channels, width, window, stride=(high, wide))
        draw_as_dense(self.projection)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        features = self.projection(F.pad(images, self.margins))  # [B, D, H / P, W / Q]
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
        patch: Of sides >= 2.
        width: Features D of a token.
    """

    of_pixels: ClassVar[tuple[str, ...]] = (*_PIXEL_WEIGHTS, "norm.weight", "norm.bias")
    """As of `LinearStem`."""

    def __init__(self, *, image_channels: int, patch: Patch, width: int) -> None:
        super().__init__()
        self.patch = patch
        features = 5 * image_channels * patch.area
        self.norm = LayerNorm(features, eps=FLAT_PATCH_STD**2)
        self.projection = Dense(features, width)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        down, right = self.patch.height // 2, self.patch.width // 2
        moves = [(0, 0), (right, down), (right, -down), (-right, down), (-right, -down)]
        copies = [F.pad(images, (x, -x, y, -y)) for x, y in moves]  # cut off here, zeros there
        patches = pixels_of_patches(torch.cat(copies, dim=1), self.patch)  # [B, 5 C P Q, ...]
        tokens: Tensor = self.projection(self.norm(patches.flatten(2).transpose(1, 2)))
        return tokens


def pixels_of_patches(images: Tensor, patch: Patch) -> Tensor:
    """The pixels of each patch as channels: PyTorch's `pixel_unshuffle`, and the same of patches that are no squares.

    Args:
        images: Images [B, C, H, W].
        patch: Its sides P and Q divide H and W.

    Returns:
        [B, C P Q, H / P, W / Q].
    """
    high, wide = patch
    if high == wide:
        return F.pixel_unshuffle(images, high)
    cut = images.unflatten(3, (-1, wide)).unflatten(2, (-1, high))  # [B, C, H / P, P, W / Q, Q]
    return cut.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


def draw_as_dense(layer: nn.Conv2d) -> None:
    """Draws a convolution without activation as the dense layer that it is of each of its windows."""
    nn.init.xavier_uniform_(layer.weight.flatten(1))  # a view
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


LEAKY_RELU_SLOPE = 0.2


class ConvolutionalStem(nn.Module):
    """Early convolutions: log2(P) of 3x3 with stride 2, then one of 1x1; of oblong patches see `stage_strides`.

    Xiao et al. 2021 (arXiv:2106.14881, section 3): the channels double from one to the next and
    reach D at the last. Their batch norm, which would let a discriminator's logit depend on the
    other images, is left out, and the activation is StyleGAN2's leaky ReLU.

    Args:
        image_channels: Channels of the images.
        patch: Distances of the tokens, 2^k with k >= 1.
        width: Features D of a token.
    """

    def __init__(self, *, image_channels: int, patch: Patch, width: int) -> None:
        super().__init__()
        strides = stage_strides(patch)
        channels = [image_channels, *stage_channels(len(strides), width=width)]
        self.stages = nn.Sequential()
        for before, after, stride in zip(channels, channels[1:], strides, strict=False):
            self.stages.append(convolution(before, after, stride=stride))
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
    log2(P) residual stages instead of their ResNet-50, trained from scratch; of oblong patches see
    `stage_strides`.

    Args:
        image_channels: Channels of the images.
        patch: Distances of the tokens, 2^k with k >= 1.
        width: Features D of a token.
    """

    def __init__(self, *, image_channels: int, patch: Patch, width: int) -> None:
        super().__init__()
        strides = stage_strides(patch)
        channels = stage_channels(len(strides), width=width)
        self.from_image = convolution(image_channels, channels[0])
        self.stages = nn.Sequential(
            *(
                ResidualStage(before, after, stride=stride)
                for before, after, stride in zip(
                    [channels[0], *channels], channels, strides, strict=False
                )
            )
        )
        self.projection = Convolution(width, width, 1)
        draw_as_dense(self.projection)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        features = self.stages(self.from_image(images))  # [B, D, H / P, W / Q]
        tokens: Tensor = self.projection(features).flatten(2).transpose(1, 2)
        return tokens


class ResidualStage(nn.Module):
    """Two 3x3 convolutions before which the features are activated, and a skip, at half the sides or one of them.

    Full pre-activation of He et al. 2016 (arXiv:1603.05027), figure 4e, without its batch norm;
    halved by averaging, as in the discriminators of Gulrajani et al. 2017 (arXiv:1704.00028).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Rows and columns of which the mean is taken, 1 or 2 each.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride
        self.first = convolution(in_channels, in_channels)
        self.second = convolution(in_channels, out_channels)
        self.skip = Convolution(in_channels, out_channels, 1)
        draw_as_dense(self.skip)

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, C, H, W] to [B, O, H / rows, W / columns]."""
        main = self.first(F.leaky_relu(features, LEAKY_RELU_SLOPE))
        main = F.avg_pool2d(self.second(F.leaky_relu(main, LEAKY_RELU_SLOPE)), self.stride)
        skip = self.skip(F.avg_pool2d(features, self.stride))
        return (main + skip) * math.sqrt(0.5)  # keeps the variance


def stage_strides(patch: Patch) -> list[tuple[int, int]]:
    """Rows and columns that become one at each stage: both sides halve, and then the longer one goes on alone.

    So features are of square parts of the image for as long as they can be.

    Args:
        patch: Of sides 2^k.

    Returns:
        As many as the longer side halves; products of rows and of columns are the sides.
    """
    halvings = [side.bit_length() - 1 for side in patch]
    rows, columns = ([2] * count + [1] * (max(halvings) - count) for count in halvings)
    return list(zip(rows, columns, strict=True))


def stage_channels(stages: int, *, width: int) -> list[int]:
    """Channels after each stage: doubling, D at the last.

    Args:
        stages: Their number, >= 1.
        width: Features D of a token.

    Returns:
        As many numbers, >= 1.
    """
    return [max(1, width >> (stages - stage)) for stage in range(1, stages + 1)]


def convolution(
    in_channels: int, out_channels: int, *, stride: tuple[int, int] = (1, 1)
) -> nn.Conv2d:
    """A 3x3 convolution beside a leaky ReLU, with weights of He et al. 2015 (arXiv:1502.01852, section 2.2)."""
    layer = Convolution(in_channels, out_channels, 3, stride=stride, padding=1)
    nn.init.kaiming_normal_(layer.weight, a=LEAKY_RELU_SLOPE)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
