"""Images to tokens by a single layer: flattened, overlapping and shifted patches.

The stems that stack convolutions are in `convolutional_stems`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
        self.projection = nn.Linear(image_channels * patch**2, width)

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
        self.projection = nn.Conv2d(image_channels, width, 2 * patch, stride=patch)
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
        self.norm = nn.LayerNorm(features, eps=FLAT_PATCH_STD**2)
        self.projection = nn.Linear(features, width)

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
