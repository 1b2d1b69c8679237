"""What a caller in Python chose, checked as at the command line: words of a list, and lists that hold something."""

from collections.abc import Sequence, Sized

from adavit.errors import UserError, shown


def check_choice(flag: str, value: object, known: Sequence[str]) -> None:
    """Refuses a word that is not one of those that are known.

    Args:
        flag: Under which the command line takes it.
        value: What was given.
        known: All that there are.

    Raises:
        UserError: If it is none of them.
    """
    if value not in known:
        raise UserError(
            f"{flag} is {shown(value)}, expected one of {', '.join(known)}. Write one of these."
        )


def check_scale(scale: int | None) -> None:
    """Refuses to enlarge pixels to less than themselves.

    Args:
        scale: How many pixels each becomes in both directions; None leaves it open.

    Raises:
        UserError: If it is below 1.
    """
    if scale is not None and scale < 1:
        raise UserError(f"--scale is {scale}, expected at least 1. Give for example --scale 4.")


def check_some(flag: str, values: Sized, example: str) -> None:
    """Refuses a list of nothing.

    Args:
        flag: Under which the command line takes it.
        values: What was given.
        example: As the command line takes it.

    Raises:
        UserError: If it is empty.
    """
    if not len(values):
        raise UserError(
            f"{flag} names nothing, expected at least one. Give for example {flag} {example}."
        )
