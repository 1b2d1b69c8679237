"""The change of styles that the options of a command ask for together."""

import math
from collections.abc import Sequence

from adavit.errors import UserError
from adavit.runs.generator_file import StoredGenerator
from adavit.runtime.cache_folder import default_cache_dir
from adavit.runtime.console import Console
from adavit.styles.centres import style_centres
from adavit.styles.change import StyleChange
from adavit.styles.classes import ClassChoice
from adavit.styles.directions_file import offset_of
from adavit.styles.numbers import DirectionStep


def requested_change(
    stored: StoredGenerator,
    choice: ClassChoice,
    *,
    truncation: float = 1.0,
    truncation_centres: int | None = None,
    steps: Sequence[DirectionStep | str] = (),
    console: Console,
) -> StyleChange:
    """Truncation and steps along directions.

    Args:
        stored: The generator, on the device where it will draw.
        choice: The classes that are drawn, whose styles the centres are of.
        truncation: 1 is none.
        truncation_centres: Truncate towards the nearest of so many centres; None towards the average.
        steps: Along directions of files; what is text is read as `DirectionStep.parse` does.
        console: Warned of directions of another generator.

    Raises:
        UserError: If `truncation` is not finite, `truncation_centres` is out of range or says nothing, or a direction
            cannot be used.
    """
    if not math.isfinite(truncation):
        raise UserError(
            f"--truncation is {truncation}, expected a number, of which 1 leaves styles as they are. Correct it."
        )
    if truncation_centres is not None and truncation == 1.0:
        raise UserError(
            f"--truncation-centres is {truncation_centres}, but --truncation is 1, which leaves styles as they are."
            " Add for example --truncation 0.7."
        )
    read = [DirectionStep.parse(step) if isinstance(step, str) else step for step in steps]
    offset = offset_of(read, stored, console)
    centres = None
    if truncation_centres is not None:
        centres = style_centres(
            stored.generator, choice, truncation_centres, cache_dir=default_cache_dir()
        )
    return StyleChange(stored.generator, truncation=truncation, centres=centres, offset=offset)
