"""Blitting: mirror, quarter turns and whole-pixel shifts, which move pixels without changing them.

Karras et al. 2020 (arXiv:2006.06676), appendix B.1. By themselves these operations copy pixels exactly;
together with the geometric group they become part of its affine map, which is resampled once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adavit.augment.banded import reflect
from adavit.augment.draws import Draws, Parameters, about_zero, discrete
from adavit.augment.group import Group, per_image
from adavit.augment.matrices import (
    Affine,
    doubled,
    product,
    quarter_rotation,
    quarter_turn_cosine_sine,
    scaling,
    translation,
)
from adavit.augment.resampling import resample
from adavit.augment.settings import MAGNITUDES


class Blitting(Group):
    """Mirror, quarter turns and whole-pixel shifts.

    Args:
        xflip: Multiplier of mirroring left and right; the mirror is drawn with probability 1/2.
        rotate90: Multiplier of turning by 0, 1, 2 or 3 quarters, uniformly.
        xint: Multiplier of the shift; one gate for both directions.
        xint_max: Largest shift, as a fraction of the width and height.
    """

    def __init__(
        self,
        *,
        xflip: float = 0,
        rotate90: float = 0,
        xint: float = 0,
        xint_max: float = MAGNITUDES["xint_max"],
    ) -> None:
        super().__init__(
            {"xflip": xflip, "rotate90": rotate90, "xint": xint}, {"xint_max": xint_max}
        )
        self.xint_max = xint_max

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        """Draw `mirrored` (0 or 1), `quarter_turns` (0 to 3) and `shift_x_px`, `shift_y_px`, each [B].

        Only the parameters of operations that are switched on are there. See `Group.sample`.
        """
        gates = self._gates(draws)
        parameters = {}
        if "xflip" in gates:
            parameters["mirrored"] = discrete(draws.uniform(1)[0], 2) * gates["xflip"]
        if "rotate90" in gates:
            parameters["quarter_turns"] = discrete(draws.uniform(1)[0], 4) * gates["rotate90"]
        if "xint" in gates:
            shifts = about_zero(draws.uniform(2), self.xint_max) * gates["xint"]
            parameters["shift_x_px"] = (shifts[0] * shape[3]).round()
            parameters["shift_y_px"] = (shifts[1] * shape[2]).round()
        return parameters

    def inverse_factors(self, doubles: Parameters) -> list[Affine]:
        """The operations as matrices from output to input, whose product is theirs.

        In pixels about the image centre, of parameters that `doubled` has cast. All their entries are whole numbers.
        """
        factors = []
        if "mirrored" in doubles:
            factors.append(scaling(1 - 2 * doubles["mirrored"], 1.0))
        if "quarter_turns" in doubles:
            factors.append(quarter_rotation(doubles["quarter_turns"]))
        if "shift_x_px" in doubles:
            factors.append(translation(-doubles["shift_x_px"], -doubles["shift_y_px"]))
        return factors

    def transform(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Move the pixels. See `Group.transform`.

        Exact, except quarter turns of images that are not square: their pixels do not lie on those of the
        image, which keeps its shape, and are resampled.
        """
        moved = self._copy_pixels(images, parameters)
        height, width = images.shape[2:]
        if "quarter_turns" in parameters and height != width:
            turned = resample(images, product(*self.inverse_factors(*doubled(parameters))))
            odd = per_image(parameters["quarter_turns"] % 2 == 1)
            moved = torch.where(odd, turned, moved)
        return moved

    def _copy_pixels(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Fetch for each output pixel the one it shows; odd turns need square images."""
        batch, channels, height, width = images.shape
        device = images.device
        zero = torch.zeros(batch, device=device, dtype=torch.long)
        mirrored, turns, shift_x, shift_y = (
            parameters[name].long() if name in parameters else zero
            for name in ("mirrored", "quarter_turns", "shift_x_px", "shift_y_px")
        )
        flip = 1 - 2 * mirrored[:, None]
        cosine, sine = (value[:, None] for value in quarter_turn_cosine_sine(turns))
        # Positions about the centre in half pixels, so that they are whole numbers for even sizes too.
        x = 2 * (torch.arange(width, device=device) - shift_x[:, None]) - (width - 1)  # [B, W]
        y = 2 * (torch.arange(height, device=device) - shift_y[:, None]) - (height - 1)  # [B, H]

        def column(position: Tensor) -> Tensor:
            return reflect((flip * position + width - 1).div(2, rounding_mode="floor"), width)

        def row(position: Tensor) -> Tensor:
            return reflect((position + height - 1).div(2, rounding_mode="floor"), height)

        # The inverse map is (x, y) -> (flip (cos x - sin y), sin x + cos y), and either cos or sin is 0: each
        # output axis decides one input axis, and the index is the sum of a part of the row and a part of the
        # column.
        odd = sine != 0
        from_x = torch.where(odd, row(sine * x) * width, column(cosine * x))  # [B, W]
        from_y = torch.where(odd, column(-sine * y), row(cosine * y) * width)  # [B, H]
        index = (from_y[:, :, None] + from_x[:, None, :]).view(batch, 1, height * width)
        index = index.expand(batch, channels, height * width)
        return images.flatten(2).gather(2, index).view(batch, channels, height, width)
