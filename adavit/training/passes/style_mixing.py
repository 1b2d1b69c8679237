"""Style mixing: some images take the styles of their later layers from second latents.

Karras et al. 2019 (arXiv:1812.04948, section 3.1).
"""

import torch
from torch import Tensor

from adavit.models import Generator


class StyleMixing:
    """Draws which images are mixed, and from which layer on.

    Args:
        probability: Part of the images that are mixed, in [0, 1]; 0.9 in the paper, 0 for none.
    """

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def __call__(
        self, generator: Generator, styles: Tensor, labels: Tensor | None, stream: torch.Generator
    ) -> Tensor:
        """Mixes styles with those of second latents.

        Args:
            generator: Maps the second latents.
            styles: w of the first latents [B, W].
            labels: Class of each image [B], or None.
            stream: Source of the second latents, the gates and the layers.

        Returns:
            Styles of each layer [B, L, W]: of a mixed image the first 1 to L - 1 are its own.
        """
        batch, layers = len(styles), generator.synthesis.style_count
        second = generator.mapping(
            torch.randn(batch, generator.latent_dim, generator=stream, device=stream.device), labels
        )
        chance = torch.rand(2, batch, generator=stream, device=stream.device)
        first_mixed = 1 + (chance[0] * (layers - 1)).long()
        first_mixed = first_mixed.masked_fill(chance[1] >= self.probability, layers)
        is_second = torch.arange(layers, device=styles.device) >= first_mixed[:, None]  # [B, L]
        return torch.where(is_second[:, :, None], second[:, None], styles[:, None])
