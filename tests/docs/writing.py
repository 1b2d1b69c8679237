"""How documents are written: numbers with a zero before the point, lines that a terminal holds."""

import re
from collections.abc import Iterator

from tests.docs.documents import prose

WIDTH = 120
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n\n).)+?(?<!`)\1(?!`)", re.DOTALL)
_TARGET = re.compile(r"\]\([^()\s]+\)")
_BARE = re.compile(r"(?<![\w./\\])\.\d+")


def bare_fractions(text: str) -> list[str]:
    """Numbers that begin with a point, such as .44, each with its line; code and targets of links are left alone."""
    plain = _TARGET.sub(_blanked, _CODE.sub(_blanked, prose(text)))
    return [
        f"{number}: {match[0]}"
        for number, line in enumerate(plain.split("\n"), start=1)
        for match in _BARE.finditer(line)
    ]


def _blanked(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "_", match[0])


def long_lines(text: str) -> Iterator[str]:
    """Lines of prose beyond `WIDTH`, each with its number; rows of tables and pictures may be longer."""
    for number, line in enumerate(prose(text).split("\n"), start=1):
        if len(line) > WIDTH and not line.startswith(("|", "![")):
            yield f"{number}: {line}"
