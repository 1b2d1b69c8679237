"""Words around numbers and names."""

import difflib
from collections.abc import Iterable


def counted(count: int, one: str, many: str) -> str:
    """A number of things in words: "1 file", "1,200 files"."""
    return f"{count:,} {one if count == 1 else many}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest of the known words as a question, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {found[0]}?" if found else ""
