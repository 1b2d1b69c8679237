"""What a run's files may hold: strange ones are refused before anything is computed from them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from adavit.errors import UserError, shown

LARGEST, SMALLEST = 1e100, 1e-100
"""Bounds of the size of a figure: no run comes near them, and squares of what lies between stay finite."""

NUMBERS = ("training.total_kimg", "augment.p", "metrics.patience_kimg")
"""Settings that are computed with; None is a value of some."""

WORDS = ("data.source", "discriminator.kind", "augment.mode", "augment.preset")
"""Settings that are shown as names."""


def sound(value: Any, file: str) -> Any:
    """A value from JSON or YAML in a form that every format can hold.

    Args:
        value: Any mixture of mappings, lists and plain values; NaN and infinities stay.
        file: Name of the file it is from.

    Returns:
        The same, with what is no text in its strings (lone surrogates) as escapes.

    Raises:
        UserError: If a number in it is none that a run can have.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int | float):
        _check_size(value, file)
        return value
    if isinstance(value, dict):
        return {sound(key, file): sound(item, file) for key, item in value.items()}
    if isinstance(value, list):
        return [sound(item, file) for item in value]
    return value


def check_settings(settings: Mapping[str, Any], file: str) -> None:
    """Checks the types of the settings that a listing and a report are made of.

    Args:
        settings: By `section.key`; what is absent is not missed.
        file: Name of the file they are from.

    Raises:
        UserError: If one is of another type than adavit writes.
    """
    seed = settings.get("run.seed", 0)
    if type(seed) is not int:
        raise _strange(file, "run.seed", seed, "a whole number")
    _check_types(settings, file, NUMBERS, "a number", lambda v: type(v) in (int, float))
    _check_types(settings, file, WORDS, "a text", lambda v: isinstance(v, str))


def _check_types(
    settings: Mapping[str, Any], file: str, keys: Sequence[str], expected: str, fits: Any
) -> None:
    for key in keys:
        value = settings.get(key)
        if value is not None and not fits(value):
            raise _strange(file, key, value, expected)


def _check_size(value: float, file: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        return  # what was not finite is recorded as that
    if value and not SMALLEST < abs(value) < LARGEST:
        raise UserError(
            f"{file} holds the figure {shown(value)}, expected 0 or a size from {SMALLEST:g} to {LARGEST:g}."
            " Restore the file."
        )


def _strange(file: str, key: str, value: Any, expected: str) -> UserError:
    return UserError(f"{file} has {key} {shown(value)}, expected {expected}. Restore the file.")
