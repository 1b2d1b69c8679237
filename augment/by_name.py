"""A pipe by the name of its preset."""

from __future__ import annotations

import inspect
from typing import Any

from adavit.augment.diffaug import DiffAugment
from adavit.augment.group import check_names
from adavit.augment.pipe import Pipe
from adavit.augment.pipeline import AugmentPipe
from adavit.augment.presets import DIFFAUG, preset_multipliers


def make_pipe(name: str, **overrides: Any) -> Pipe:
    """A pipe by name.

    Args:
        name: One of blit, geom, color, filter, noise, cutout, diffusion, bg, bgc, bgcf, bgcfn, bgcfnc; or
            diffaug (`adavit.augment.diffaug.DiffAugment`, which ignores p).
        overrides: Arguments of the constructor that replace those of the preset, for example `rotate90=0`.

    Returns:
        The pipe, with p = 1.

    Raises:
        ValueError: If there is no such preset or argument, or its value is out of range.
    """
    if name == DIFFAUG:
        check_names(overrides, list(inspect.signature(DiffAugment).parameters), of="DiffAugment")
        return DiffAugment(**overrides)
    return AugmentPipe(**{**preset_multipliers(name), **overrides})
