"""Which patches are hidden, and how (Dosovitskiy et al. 2021, arXiv:2010.11929, appendix B.1.2).

Half of the patches of each image are corrupted: of these 80% become a learned mask token, 10% the token
of a random other patch, 10% stay as they are. Only the corrupted ones are predicted.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

CORRUPTED = 0.5
"""Part of the patches; 0.15, as for language, was slightly worse in the paper."""
MASKED, REPLACED = 0.8, 0.1
"""Parts of the corrupted patches; the rest stays."""


@dataclass(frozen=True)
class Corruption:
    """Which patches of a batch are corrupted, and how.

    Attributes:
        corrupted: Which patches are predicted [B, K], int64, rising: as many in each image, so that to pick
            them takes no mask, whose count the host would have to wait for.
        masked: Whether it becomes the mask token [B, N], bool.
        sources: Whose token it has otherwise [B, N], int64 in [0, B N): its own number, or another.
    """

    corrupted: Tensor
    masked: Tensor
    sources: Tensor


def draw_corruption(batch: int, patches: int, generator: torch.Generator) -> Corruption:
    """Draws which patches are corrupted, and how.

    The number of corrupted patches is exact rather than itself drawn, so that every image, and with
    it every microbatch, weighs the same. Replacements come from anywhere in the batch, as one image
    alone may be of one colour.

    Args:
        batch: Number of images B.
        patches: Patches N of an image.
        generator: Source of the draw, on the device of the images.
    """
    count = batch * patches
    order = torch.rand(batch, patches, generator=generator, device=generator.device)
    device = order.device
    number = max(1, round(CORRUPTED * patches))
    chosen = order.argsort(dim=1)[:, :number]
    corrupted = torch.zeros_like(order, dtype=torch.bool).scatter(1, chosen, True)
    kind = torch.rand(batch, patches, generator=generator, device=device)
    replaced = corrupted & (kind >= MASKED) & (kind < MASKED + REPLACED)
    # Any other: a step of 1 to B N - 1 around the ring of all patches.
    steps = torch.randint(1, max(2, count), (batch, patches), generator=generator, device=device)
    own = torch.arange(count, device=device).view(batch, patches)
    sources = torch.where(replaced, (own + steps) % count, own)
    return Corruption(chosen.sort(dim=1).values, corrupted & (kind < MASKED), sources)


def picked(values: Tensor, corruption: Corruption) -> Tensor:
    """Those of `values` [B, N, ...] that belong to the corrupted patches, image by image [B K, ...]."""
    images = torch.arange(len(values), device=values.device)[:, None]
    return values[images, corruption.corrupted].flatten(0, 1)


def corrupt(tokens: Tensor, mask_token: Tensor, corruption: Corruption) -> Tensor:
    """Corrupts tokens as drawn.

    Args:
        tokens: Tokens of patches [B, N, D], before position embeddings. Not modified.
        mask_token: The learned token [D].
        corruption: Drawn for B and N.

    Returns:
        Tokens [B, N, D].
    """
    mixed = tokens.flatten(0, 1)[corruption.sources]  # [B, N, D]
    return torch.where(corruption.masked[:, :, None], mask_token.to(tokens.dtype), mixed)
