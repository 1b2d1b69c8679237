"""The augmentation pipeline of Karras et al. 2020 (arXiv:2006.06676), section 2 and appendix B.

Order: blitting and geometric (one affine map, resampled once), colour (one affine map of colour space),
filtering, noise, cutout, and then what is not of that paper: diffusion noise (`adavit.augment.diffusion`) and
operations of others. For each image and each operation independently, the operation happens with probability multiplier
times p; diffusion alone is made stronger by it. How p moves is not decided here, see `adavit.augment.adaptive`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from adavit.augment.blitting import Blitting
from adavit.augment.color import Color, color_map, map_colors
from adavit.augment.cutout import Cutout
from adavit.augment.diffusion import Diffusion
from adavit.augment.extras import Operation
from adavit.augment.filtering import Filtering
from adavit.augment.geometric import Geometric
from adavit.augment.group import (
    Group,
    check_names,
    outside_autocast,
)
from adavit.augment.matrices import doubled, product
from adavit.augment.noise import Noise
from adavit.augment.pipe import Pipe, PipeParameters
from adavit.augment.resampling import positions, resample_at
from adavit.augment.settings import MAGNITUDES, OPERATIONS

GROUPS: dict[str, type[Group]] = {
    "blitting": Blitting,
    "geometric": Geometric,
    "color": Color,
    "filtering": Filtering,
    "noise": Noise,
    "cutout": Cutout,
    "diffusion": Diffusion,
}
"""The groups of the pipeline, in the order in which they are applied; see `adavit.augment.settings`."""

_MOVED = "blitting and geometric"
"""Of what is prepared: both as one map."""


class AugmentPipe(Pipe):
    """Random augmentation with one probability for all operations.

    Multipliers lie in [0, 1] and are 0 by default: an operation with 0 is switched off for good, and costs
    nothing. All results are differentiable with respect to the images, twice and more. Shapes do not depend on
    drawn numbers and the host never waits for the device. With p = 0 the images are returned bit for bit.

    Args:
        extra: Pairs of an operation and its multiplier, applied at the end; see `adavit.augment.extras`.
        **settings: Multipliers and magnitudes of the groups (`adavit.augment.settings`), by keyword:
            `AugmentPipe(rotate=1, rotate_max=0.25)`. Their meanings are with the groups.

    Raises:
        ValueError: If a setting is unknown, or a multiplier or a magnitude is out of range.
    """

    blitting: Blitting
    geometric: Geometric
    color: Color
    filtering: Filtering
    noise: Noise
    cutout: Cutout
    diffusion: Diffusion

    def __init__(
        self,
        *,
        extra: Sequence[tuple[Operation, float]] = (),
        **settings: float | Sequence[float],
    ) -> None:
        super().__init__(extra)
        check_names(settings, [*OPERATIONS, *MAGNITUDES], of="AugmentPipe")
        for name, group in GROUPS.items():
            own = (*group.operations(), *group.magnitudes())
            given: dict[str, Any] = {key: settings[key] for key in own if key in settings}
            setattr(self, name, group(**given))

    def sample(
        self,
        shape: Sequence[int],
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        *,
        quantile: float | None = None,
    ) -> PipeParameters:
        """See `Pipe.sample`; a closed gate appears as the neutral parameter."""
        shape = torch.Size(shape)
        target = self.p.device if device is None else torch.device(device)
        draws = self._draws(shape[0], target, quantile, generator)
        groups = {name: getattr(self, name) for name in GROUPS}
        return {name: group.sample(shape, draws) for name, group in groups.items() if group.enabled}

    def prepare(
        self, parameters: PipeParameters, shape: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> PipeParameters:
        """See `Pipe.prepare`.

        Where there are geometric operations, blitting is composed with them, and images are resampled once.
        """
        prepared = dict(parameters)
        if "geometric" in prepared:
            names = [name for name in ("blitting", "geometric") if name in prepared]
            groups = doubled(*(prepared.pop(name) for name in names))
            factors = [
                factor
                for name, value in zip(names, groups, strict=True)
                for factor in getattr(self, name).inverse_factors(value)
            ]
            prepared[_MOVED] = positions(product(*factors), shape[2], shape[3], dtype)
        if "color" in prepared:
            prepared["color"] = color_map(prepared["color"], shape[1], dtype)
        return prepared

    def transform_prepared(self, images: Tensor, prepared: PipeParameters) -> Tensor:
        """See `Pipe.transform_prepared`."""
        with outside_autocast(images.device):
            if "blitting" in prepared:  # alone, it copies pixels
                images = self.blitting.transform(images, prepared["blitting"])
            if _MOVED in prepared:
                images = resample_at(images, **prepared[_MOVED])
            if "color" in prepared:
                images = map_colors(images, **prepared["color"])
            for name in ("filtering", "noise", "cutout", "diffusion"):
                if name in prepared:
                    images = getattr(self, name).transform(images, prepared[name])
        return images

    def extra_repr(self) -> str:
        """The operations that are switched on."""
        names = [name for group in GROUPS for name in getattr(self, group).names]
        return ", ".join(names) if names else "no operation"
