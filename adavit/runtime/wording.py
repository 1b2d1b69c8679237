"""Words around numbers and names."""

import difflib
from collections.abc import Iterable

NEAR = 0.7
"""How alike two words are, from 0 to 1, of which one may be a slip for the other: axis and axes are at 0.75."""

ROUNDED_UP = 999.5
"""From here on three digits are those of a thousand."""

NAMED = 8
"""So many names of a list are written out; of more their number is told."""


def counted(count: int, one: str, many: str) -> str:
    """A number of things in words: "1 file", "1,200 files"."""
    return f"{count:,} {one if count == 1 else many}"


def duration(seconds: float) -> str:
    """A time in the unit that people would use: "40 seconds", "12.5 minutes", "3.2 hours", "2.1 days"."""
    for size, unit, most in ((1, "seconds", 90), (60, "minutes", 5400), (3600, "hours", 172_800)):
        if seconds < most:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86_400:,.1f} days"


def in_three_digits(value: float) -> str:
    """A number >= 0, rounded to three digits, or to a whole number from 1,000 on: "0.42", "12.3", "1,563"."""
    return f"{value:.3g}" if value < ROUNDED_UP else f"{value:,.0f}"


def size(count: float) -> str:
    """A number of bytes in the unit that people would use: "812 bytes", "3.4 kB", "1.3 MB", "2 GB"."""
    for factor, unit in ((1, "bytes"), (1e3, "kB"), (1e6, "MB")):
        if count < ROUNDED_UP * factor:
            return f"{in_three_digits(count / factor)} {unit}"
    return f"{in_three_digits(count / 1e9)} GB" if count < 1e18 else "over a billion GB"


def with_middle_left_out(text: str, most: int) -> str:
    """A text of at most so many characters: beginning and end of a long one with … between them."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest of the known words as a question, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=NEAR)
    return f" Did you mean {found[0]}?" if found else ""


def listed(names: Iterable[str]) -> str:
    """Names with commas between, of many the first: "a, b, c and 12 more"."""
    names = list(names)
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
