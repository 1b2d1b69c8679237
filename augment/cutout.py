"""Cutout: a box of each image is set to 0.

Karras et al. 2020 (arXiv:2006.06676), appendix B.3, after DeVries and Taylor 2017 (arXiv:1708.04552).
"""

from __future__ import annotations

import torch
from torch import Tensor

from adavit.augment.draws import Draws, Parameters
from adavit.augment.group import Group
from adavit.augment.settings import MAGNITUDES


class Cutout(Group):
    """A box set to 0, its centre uniform over the image.

    Args:
        cutout: Multiplier.
        cutout_size: Width and height of the box, as a fraction of the image's.
    """

    def __init__(
        self, *, cutout: float = 0, cutout_size: float = MAGNITUDES["cutout_size"]
    ) -> None:
        super().__init__({"cutout": cutout}, {"cutout_size": cutout_size})
        self.cutout_size = cutout_size

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        """Draw the box. See `Group.sample`.

        It is `centre_x` and `centre_y` [B], fractions of the image, and `size` [B], 0 for no box.
        """
        gate = self._gates(draws)["cutout"]
        centre_x, centre_y = draws.uniform(2).unbind(0)
        return {"centre_x": centre_x, "centre_y": centre_y, "size": gate * self.cutout_size}

    def transform(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Cut the boxes. See `Group.transform`."""
        half = parameters["size"][:, None] / 2
        inside = []
        for length, name in ((images.shape[3], "centre_x"), (images.shape[2], "centre_y")):
            position = torch.arange(length, device=images.device)
            distance = ((position + 0.5) / length - parameters[name][:, None]).abs()
            inside.append(distance < half)  # [B, W], [B, H]
        box = inside[0][:, None, None, :] & inside[1][:, None, :, None]
        # A tenth of the time that torch.where takes on a CPU.
        return images * (~box).to(images.dtype)
