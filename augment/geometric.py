"""Geometric operations: scaling, rotation, stretching and shifts by fractions of a pixel.

Karras et al. 2020 (arXiv:2006.06676), appendix B.1. All of them, and the blitting operations before them, are
one affine map per image, composed here and resampled once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adavit.augment.draws import Draws, Parameters, about_zero
from adavit.augment.group import Group
from adavit.augment.matrices import Affine, doubled, product, rotation, scaling, translation
from adavit.augment.resampling import resample
from adavit.augment.settings import MAGNITUDES


class Geometric(Group):
    """Isotropic scaling, rotation, anisotropic scaling and fractional shifts.

    Args:
        scale: Multiplier of isotropic scaling.
        rotate: Multiplier of rotation; half of it before and half after `aniso`.
        aniso: Multiplier of scaling x by a factor and y by its inverse.
        xfrac: Multiplier of the shift; one gate for both directions.
        scale_std: Standard deviation of log2 of the scale.
        rotate_max: Largest angle, as a fraction of a half turn.
        aniso_std: Standard deviation of log2 of the stretch.
        xfrac_std: Standard deviation of the shift, as a fraction of the width and height.
    """

    def __init__(
        self,
        *,
        scale: float = 0,
        rotate: float = 0,
        aniso: float = 0,
        xfrac: float = 0,
        scale_std: float = MAGNITUDES["scale_std"],
        rotate_max: float = MAGNITUDES["rotate_max"],
        aniso_std: float = MAGNITUDES["aniso_std"],
        xfrac_std: float = MAGNITUDES["xfrac_std"],
    ) -> None:
        super().__init__(
            {"scale": scale, "rotate": rotate, "aniso": aniso, "xfrac": xfrac},
            {
                "scale_std": scale_std,
                "rotate_max": rotate_max,
                "aniso_std": aniso_std,
                "xfrac_std": xfrac_std,
            },
        )
        self.scale_std = scale_std
        self.rotate_max = rotate_max
        self.aniso_std = aniso_std
        self.xfrac_std = xfrac_std

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        """Draw the parameters, each [B], of the operations that are switched on.

        They are `scale_log2`, `turns_before` and `turns_after` (of a full turn), `aniso_log2`, `shift_x_px` and
        `shift_y_px`. See `Group.sample`.
        """
        gates = self._gates(draws)
        parameters = {}
        if "rotate" in gates:
            index = self.names.index("rotate")
            # The gate drawn above for the pair is replaced by two, of which either is open as often.
            pair = draws.gates_of_pair(self.multipliers[index : index + 1])
            turns = about_zero(draws.uniform(2), self.rotate_max / 2) * pair
            parameters["turns_before"], parameters["turns_after"] = turns.unbind(0)
        if "scale" in gates:
            parameters["scale_log2"] = draws.normal(1)[0] * self.scale_std * gates["scale"]
        if "aniso" in gates:
            parameters["aniso_log2"] = draws.normal(1)[0] * self.aniso_std * gates["aniso"]
        if "xfrac" in gates:
            shifts = draws.normal(2) * gates["xfrac"]
            parameters["shift_x_px"] = shifts[0] * (self.xfrac_std * shape[3])
            parameters["shift_y_px"] = shifts[1] * (self.xfrac_std * shape[2])
        return parameters

    def inverse_factors(self, doubles: Parameters) -> list[Affine]:
        """The operations as matrices from output to input, whose product is theirs.

        In pixels about the image centre, of parameters that `doubled` has cast. The inverse factors multiply on the
        right: scale, rotation before, aniso, rotation after, shift.
        """
        factors = []
        if "scale_log2" in doubles:
            shrink = torch.exp2(-doubles["scale_log2"])
            factors.append(scaling(shrink, shrink))
        if "turns_before" in doubles:
            factors.append(rotation(doubles["turns_before"]))
        if "aniso_log2" in doubles:
            stretch = torch.exp2(doubles["aniso_log2"])
            factors.append(scaling(1 / stretch, stretch))
        if "turns_after" in doubles:
            factors.append(rotation(doubles["turns_after"]))
        if "shift_x_px" in doubles:
            factors.append(translation(-doubles["shift_x_px"], -doubles["shift_y_px"]))
        return factors

    def transform(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Resample the images. See `Group.transform`."""
        return resample(images, product(*self.inverse_factors(*doubled(parameters))))
