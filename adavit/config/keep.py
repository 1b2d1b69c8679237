"""What a run keeps, as people write it: `3`, `every:200`, or `3,every:200`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

EVERY = "every:"


def every_kimg(word: str) -> float | None:
    """The thousands of images in a word such as `every:200`; None for any other word.

    Raises:
        ValueError: If there is no number above 0 behind the colon.
    """
    if not word.startswith(EVERY):
        return None
    try:
        kimg = float(word.removeprefix(EVERY))
    except ValueError:
        kimg = math.nan
    if not 0 < kimg < math.inf:
        raise ValueError(
            f"{word!r} has no number of thousands of images behind the colon, expected one above 0. Write for"
            " example every:200."
        )
    return kimg


def keep_of(words: Sequence[str]) -> dict[str, str | float]:
    """The settings of `RunSettings` that such words stand for.

    Args:
        words: At most a number of checkpoints, which is checked later, and at most one `every:`.

    Raises:
        ValueError: If they are other words, or one kind of them is repeated.
    """
    found: dict[str, str | float] = {}
    for word in words:
        every = every_kimg(word)
        if every is not None:
            found["keep_every_kimg"] = every
        elif word.isdecimal():
            found["keep_checkpoints"] = word
    if not words or len(found) < len(words):
        raise ValueError(
            f"run.keep_checkpoints is {','.join(words)!r}, expected a number of checkpoints, every:KIMG, or both."
            " Write for example --keep 3,every:200."
        )
    return found


def with_kept_apart(section: Mapping[str, Any]) -> dict[str, Any]:
    """The section `run` with both settings in place of such words, so that either can be laid over others.

    Args:
        section: As written; what the words do not name is not in it.

    Raises:
        ValueError: As `keep_of`.
    """
    given = section.get("keep_checkpoints")
    if not isinstance(given, str) or given.strip().lstrip("+-").isdecimal():
        return dict(section)
    words = [word.strip() for word in given.split(",") if word.strip()]
    others = {key: value for key, value in section.items() if key != "keep_checkpoints"}
    return {**others, **keep_of(words)}
