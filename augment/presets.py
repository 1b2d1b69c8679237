"""The presets as rows of data: which operations are switched on.

The letters: b blitting, g geometric, c colour, f filtering, n noise, c cutout. The default of Karras et al. 2020 is
`bgc`. No torch here; `adavit.augment.by_name` makes the pipes.
"""

from __future__ import annotations

import difflib

from adavit.augment.settings import GROUP_SETTINGS

PRESETS: dict[str, tuple[str, ...]] = {
    "blit": ("blitting",),
    "geom": ("geometric",),
    "color": ("color",),
    "filter": ("filtering",),
    "noise": ("noise",),
    "cutout": ("cutout",),
    "diffusion": ("diffusion",),
    "bg": ("blitting", "geometric"),
    "bgc": ("blitting", "geometric", "color"),
    "bgcf": ("blitting", "geometric", "color", "filtering"),
    "bgcfn": ("blitting", "geometric", "color", "filtering", "noise"),
    "bgcfnc": ("blitting", "geometric", "color", "filtering", "noise", "cutout"),
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
    return {
        operation: 1.0 for group in PRESETS[name] for operation in GROUP_SETTINGS[group].operations
    }
