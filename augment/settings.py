"""What there is by name, as data: operations, magnitudes, heuristics. No torch, so that help and checks are quick.

The constructors of the groups take their defaults from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GroupSettings:
    """What a group of operations is set by.

    Attributes:
        operations: Their names, in the order in which they are applied.
        magnitudes: Constants with their published values.
    """

    operations: tuple[str, ...]
    magnitudes: dict[str, Any]


GROUP_SETTINGS: dict[str, GroupSettings] = {
    "blitting": GroupSettings(("xflip", "rotate90", "xint"), {"xint_max": 0.125}),
    "geometric": GroupSettings(
        ("scale", "rotate", "aniso", "xfrac"),
        {"scale_std": 0.2, "rotate_max": 1, "aniso_std": 0.2, "xfrac_std": 0.125},
    ),
    "color": GroupSettings(
        ("brightness", "contrast", "lumaflip", "hue", "saturation"),
        {"brightness_std": 0.2, "contrast_std": 0.5, "hue_max": 1, "saturation_std": 1},
    ),
    "filtering": GroupSettings(
        ("imgfilter",), {"imgfilter_bands": (1, 1, 1, 1), "imgfilter_std": 1}
    ),
    "noise": GroupSettings(("noise",), {"noise_std": 0.1}),
    "cutout": GroupSettings(("cutout",), {"cutout_size": 0.5}),
    "diffusion": GroupSettings(("diffusion",), {"diffusion_std": 0.05}),
}
"""The groups of the pipeline, in the order in which they are applied.

All but the last are those of Karras et al. 2020, appendix B; for that one see `adavit.augment.diffusion`.
"""

OPERATIONS: tuple[str, ...] = tuple(
    name for group in GROUP_SETTINGS.values() for name in group.operations
)
"""Operations of all groups; each is a multiplier of p."""

STRENGTHENED: tuple[str, ...] = ("diffusion",)
"""Operations that p makes stronger; it makes all others more frequent."""

MAGNITUDES: dict[str, Any] = {
    name: value for group in GROUP_SETTINGS.values() for name, value in group.magnitudes.items()
}
"""Magnitude constants of all groups with their published values."""

TARGETS: dict[str, float] = {"rt": 0.6, "rv": 0.5, "relative": 0.6}
"""Heuristics that steer p, and their default targets (Karras et al. 2020, section 3)."""
