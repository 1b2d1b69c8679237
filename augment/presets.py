"""The presets as rows of data: which operations are switched on.

The letters: b blitting, g geometric, c colour, f filtering, n noise, c cutout. The paper's default is `bgc`.
"""

from __future__ import annotations

import difflib
import functools
from typing import Any

from adavit.augment.diffaug import DiffAugment
from adavit.augment.pipe import Pipe
from adavit.augment.pipeline import GROUPS, AugmentPipe

PRESETS: dict[str, tuple[str, ...]] = {
    "blit": ("blitting",),
    "geom": ("geometric",),
    "color": ("color",),
    "filter": ("filtering",),
    "noise": ("noise",),
    "cutout": ("cutout",),
    "bg": ("blitting", "geometric"),
    "bgc": ("blitting", "geometric", "color"),
    "bgcf": ("blitting", "geometric", "color", "filtering"),
    "bgcfn": ("blitting", "geometric", "color", "filtering", "noise"),
    "bgcfnc": tuple(GROUPS),
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
    return dict.fromkeys(_operations(name), 1.0)


def make_pipe(name: str, **overrides: Any) -> Pipe:
    """A pipe by name.

    Args:
        name: One of blit, geom, color, filter, noise, cutout, bg, bgc, bgcf, bgcfn, bgcfnc; or diffaug
            (`adavit.augment.diffaug.DiffAugment`, which ignores p).
        overrides: Arguments of the constructor that replace those of the preset, for example `rotate90=0`.

    Returns:
        The pipe, with p = 1.

    Raises:
        ValueError: If there is no such preset.
    """
    if name == DIFFAUG:
        return DiffAugment(**overrides)
    return AugmentPipe(**{**preset_multipliers(name), **overrides})


@functools.cache
def _operations(preset: str) -> tuple[str, ...]:
    """Those that a preset switches on; read off signatures, which is slow for each of a thousand configurations."""
    return tuple(operation for group in PRESETS[preset] for operation in GROUPS[group].operations())
