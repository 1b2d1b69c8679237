"""The comment at the head of a shipped file: the command that it is for, and what it holds."""

import re
from dataclasses import dataclass

_CLAUSE_ENDS = re.compile(r"[:;](?=\s|$)|\.(?=\s+[A-Z]|\s*$)")
"""A colon, a semicolon, or a full stop before a capital: the one in "et al. 2020" ends nothing."""


@dataclass(frozen=True)
class FileHead:
    """What the comment says.

    Attributes:
        command: Its first line.
        meaning: The text after the empty line, in one line.
    """

    command: str
    meaning: str

    @property
    def in_short(self) -> str:
        """The first clause of the meaning."""
        return first_clause(self.meaning)


def read_head(text: str) -> FileHead:
    """The head of a file.

    Args:
        text: It begins with lines of `# `: a command, an empty one, and prose.
    """
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    command = lines[0] if lines else ""
    return FileHead(" ".join(command.split()), " ".join(" ".join(lines[1:]).split()))


def first_clause(prose: str) -> str:
    """A text up to the first colon, semicolon or end of a sentence, in one line."""
    words = " ".join(prose.split())
    end = _CLAUSE_ENDS.search(words)
    return words[: end.start()] if end else words
