"""The names that the leak diagnosis is asked for, checked before anything that takes seconds is imported."""

from collections.abc import Sequence

from adavit.augment.kornia_names import check_name
from adavit.augment.presets import DIFFAUG, PRESETS
from adavit.augment.settings import OPERATIONS
from adavit.errors import UserError


def check_operations(names: Sequence[str]) -> None:
    """Refuses what is not an operation, before time is spent.

    Args:
        names: Of `adavit.augment.settings.OPERATIONS`, or classes of `kornia.augmentation`.

    Raises:
        UserError: If a name is unknown or there is none.
    """
    unknown = [name for name in names if name not in OPERATIONS and not _kornia_makes(name)]
    if unknown or not names:
        raise UserError(
            f"--operations names {', '.join(map(repr, unknown)) or 'nothing'}, expected some of:"
            f" {', '.join(OPERATIONS)}, or of kornia's. Correct it, or name a preset with --augment."
        )


def check_preset(preset: str) -> None:
    """Refuses what is no preset.

    Raises:
        UserError: If there is none of that name.
    """
    if preset not in (*PRESETS, DIFFAUG):
        raise UserError(
            f"--augment is {preset!r}, expected one of: {', '.join((*PRESETS, DIFFAUG))}. Name one"
            " of these, or single operations with --operations."
        )


def _kornia_makes(name: str) -> bool:
    """Whether kornia has an operation of that name which needs no keywords."""
    try:
        check_name(name)
        from adavit.augment.kornia_operations import kornia_operation

        kornia_operation(name)
    except ValueError:
        return False
    return True
