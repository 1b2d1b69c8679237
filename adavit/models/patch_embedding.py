"""Images to tokens: flattened patches and a dense layer (Dosovitskiy et al. 2021, arXiv:2010.11929, section 3.1)."""

import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.sizes import check_at_least


class PatchEmbedding(nn.Module):
    """Cuts images into patches that do not overlap and maps each to a token.

    Args:
        resolution: Side of the images in pixels.
        image_channels: Channels of the images.
        patch: Side of a patch in pixels; must divide the resolution.
        width: Features D of a token.

    Raises:
        ValueError: If `patch` does not divide `resolution`.
    """

    def __init__(self, *, resolution: int, image_channels: int, patch: int, width: int) -> None:
        super().__init__()
        check_at_least("patch", patch, 1)
        if resolution % patch:
            fitting = max(size for size in range(1, patch) if resolution % size == 0)
            raise ValueError(
                f"patch is {patch}, but must divide the resolution ({resolution}). Use patch={fitting}, the next "
                f"smaller one that does."
            )
        self.patch = patch
        self.count = (resolution // patch) ** 2
        self.projection = nn.Linear(image_channels * patch**2, width)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to tokens [B, N, D], row by row."""
        patches = F.pixel_unshuffle(images, self.patch)  # [B, C P P, H / P, W / P]
        tokens: Tensor = self.projection(patches.flatten(2).transpose(1, 2))
        return tokens
