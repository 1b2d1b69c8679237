"""The documents that people read, and the fenced blocks in them."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([\w+-]*)")


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Attributes:
        document: Path from the root of the repository.
        line: Number of its first line in the document.
        language: The word behind the first fence; "" if there is none.
        text: Without the fences and the indentation that all lines have.
    """

    document: str
    line: int
    language: str
    text: str


def documents() -> list[str]:
    """Paths from the root of the repository, those of a newcomer first."""
    pages = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
    return ["README.md", *pages, "CONTRIBUTING.md", "SECURITY.md"]


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(text: str, document: str = "") -> list[Block]:
    """The fenced blocks of a document, in their order."""
    found, inside, opened = [], None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if inside is None:
            if fence:
                inside, opened = (fence[1], fence[2], []), number
        elif fence and fence[1].startswith(inside[0]) and not fence[2]:
            content = textwrap.dedent("\n".join(inside[2]))
            found.append(Block(document, opened + 1, inside[1], content))
            inside = None
        else:
            inside[2].append(line)
    assert inside is None, f"{document}:{opened}: the block has no end"
    return found


def prose(text: str) -> str:
    """The document with nothing in its fenced blocks; lines keep their numbers."""
    kept, inside = [], ""
    for line in text.splitlines():
        fence = _FENCE.match(line)
        outside = not inside
        if outside and fence:
            inside = fence[1]
        elif not outside and fence and fence[1].startswith(inside) and not fence[2]:
            inside = ""
        kept.append(line if outside and not fence else "")
    return "\n".join(kept)
