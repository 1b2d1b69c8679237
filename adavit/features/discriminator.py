"""A discriminator that sees images through a frozen network only: Projected GAN."""

from typing import Any

import torch
from torch import Tensor, nn

from adavit.features.background import draw_background, on_background
from adavit.features.critic import FeatureCritic
from adavit.models.names import Side


class ProjectedDiscriminator(nn.Module):
    """The heads of a critic on frozen features as the whole discriminator (Sauer et al. 2021, arXiv:2111.01007).

    Args:
        critic: On images without alpha.
        image_channels: Of the images it judges; those of 4 are laid on a plain ground first.
    """

    def __init__(self, critic: FeatureCritic, *, image_channels: int) -> None:
        super().__init__()
        self.critic = critic
        self.image_channels = image_channels

    def draw_pass(self, batch: int, side: Side, generator: torch.Generator) -> dict[str, Any]:
        """Colours of the ground of a training pass [B, 3, 1, 1]; nothing for images without alpha."""
        return {"ground": draw_background(batch, generator)} if self.image_channels == 4 else {}

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        ground: Tensor | None = None,
        twice_differentiable: bool = False,
    ) -> Tensor:
        """Computes the logits of images at the places of all heads.

        Args:
            images: Images [B, C, H, W] in [-1, 1]. Not modified.
            labels: Class numbers [B], int64, or None without classes.
            ground: Its colours, from `draw_pass`; None for a grey one.
            twice_differentiable: Whether gradients of gradients will be taken; it changes nothing here.

        Returns:
            Logits [B, places], float32; a mean above 0 means real.
        """
        return self.judge(images, labels, ground=ground, twice_differentiable=twice_differentiable)[
            0
        ]

    def judge(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        ground: Tensor | None = None,
        twice_differentiable: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits of `forward`, and what the last layer of each head has read them of."""
        maps = self.critic.maps(on_background(images, ground))
        judged = self.critic.judge(maps, labels)
        logits = torch.cat([each.logits for each in judged], dim=1)
        return logits, tuple(vectors for each in judged for vectors in each.vectors)
