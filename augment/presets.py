"""The presets as rows of data: which operations are switched on.

The letters: b blitting, g geometric, c colour, f filtering, n noise, c cutout. The paper's default is `bgc`.
"""

from __future__ import annotations

import difflib

GROUPS: dict[str, tuple[str, ...]] = {
    "blit": ("xflip", "rotate90", "xint"),
    "geom": ("scale", "rotate", "aniso", "xfrac"),
    "color": ("brightness", "contrast", "lumaflip", "hue", "saturation"),
    "filter": ("imgfilter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
}
"""Operations of each group, in the order in which they are applied."""

PRESETS: dict[str, tuple[str, ...]] = {
    **{group: (group,) for group in GROUPS},
    "bg": ("blit", "geom"),
    "bgc": ("blit", "geom", "color"),
    "bgcf": ("blit", "geom", "color", "filter"),
    "bgcfn": ("blit", "geom", "color", "filter", "noise"),
    "bgcfnc": ("blit", "geom", "color", "filter", "noise", "cutout"),
}
"""Groups of each preset; all their multipliers are 1. `diffaug` is another pipe, see `adavit.augment.diffaug`."""

DIFFAUG = "diffaug"
"""Name of the preset that ignores p."""


def preset_multipliers(name: str) -> dict[str, float]:
    """Multipliers of a preset.

    Args:
        name: A key of `PRESETS`.

    Returns:
        1.0 for each operation that is switched on.

    Raises:
        ValueError: If there is no such preset.
    """
    if name not in PRESETS:
        known = [*PRESETS, DIFFAUG]
        near = difflib.get_close_matches(name, known, n=1) or ["bgc"]
        raise ValueError(
            f"There is no preset {name!r}; expected one of {', '.join(known)}. Use {near[0]!r}."
        )
    return {operation: 1.0 for group in PRESETS[name] for operation in GROUPS[group]}
