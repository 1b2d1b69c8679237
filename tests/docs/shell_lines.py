"""Commands in blocks of a shell: what is typed, without a shell to ask."""

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tests.docs.documents import Block

SHELLS = ("", "bash", "console", "sh", "shell")
"""Languages of blocks in which commands stand; one without a language may also show what was printed."""

_PART = r"""(?:[^'"#\\]|\\.|"(?:\\.|[^"\\])*"|'[^']*'|(?<=\S)#|['"\\])"""
_BEFORE_COMMENT = re.compile(rf"^{_PART}*", re.DOTALL)
_ASSIGNMENT = re.compile(r"""(?<![\w-])([A-Z][A-Z0-9_]*)=("[^"]*"|'[^']*'|[^\s;&|]+)""")
_ENVIRONMENT = re.compile(r"^\w+=")
_OPERATORS = "();<>|&"


@dataclass(frozen=True)
class Command:
    """A simple command of a block.

    Attributes:
        where: Document and line, for messages.
        words: As the program gets them: no quotes, no assignments before, nothing of a pipe. Names of several files,
            such as runs/00000-*, stay as they are.
    """

    where: str
    words: tuple[str, ...]

    @property
    def of_adavit(self) -> tuple[str, ...] | None:
        """What follows `adavit`, called in any of its ways or by make; None if it is not called."""
        words = self.words[1:] if self.words[:1] == ("srun",) else self.words
        if not words:
            return None
        if words[0].rpartition("/")[2] == "adavit":
            return words[1:]
        if ("-m", "adavit") in itertools.pairwise(words):
            return words[words.index("adavit") + 1 :]
        if words[:2] == ("make", "train"):
            given = dict(word.split("=", 1) for word in words[2:])
            data, more = given.get("DATA", "small_set"), given.get("ARGS", "")
            return ("train", "--data", data, *shlex.split(more))
        return None


def commands(block: Block) -> list[Command]:
    """The simple commands of a block, in their order; none of a block in another language.

    A variable that the block sets is replaced; where it sets it twice, there is a command for each value.
    """
    if block.language not in SHELLS:
        return []
    text = block.text
    if block.language == "console":
        text = "\n".join(line if line.startswith("$ ") else "" for line in text.splitlines())
    values: dict[str, list[str]] = {}
    for name, value in _ASSIGNMENT.findall(text):
        values.setdefault(name, []).append(value.strip("'\""))
    found = []
    for number, line in _logical_lines(text):
        where = f"{block.document}:{block.line + number}"
        for expanded in _expanded(line, values):
            found += [Command(where, words) for words in _simple_commands(expanded, where)]
    return list(dict.fromkeys(found))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that end in a backslash with the next one; and where they begin."""
    begun, number_begun = "", 0
    for number, line in enumerate(text.splitlines()):
        match = _BEFORE_COMMENT.match(line)
        bare = (match[0] if match else line).rstrip()
        number_begun = number_begun if begun else number
        if bare.endswith("\\"):
            begun += bare[:-1] + " "
            continue
        yield number_begun, begun + bare
        begun = ""
    if begun:
        yield number_begun, begun


def _expanded(line: str, values: dict[str, list[str]], depth: int = 4) -> list[str]:
    for name, known in values.items():
        used = re.compile(rf"\$(?:{name}\b|\{{{name}\}})")
        if depth and used.search(line):
            lines = [used.sub(lambda _, value=value: value, line) for value in known]
            return [text for one in lines for text in _expanded(one, values, depth - 1)]
    return [line]


def _simple_commands(line: str, where: str) -> Iterator[tuple[str, ...]]:
    line = re.sub(r"\$\([^()]*\)", "SUBSTITUTED", line.removeprefix("$ "))
    lexer = shlex.shlex(line, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise AssertionError(f"{where}: {line!r} cannot be read: {error}") from None
    operator = ""
    for is_operator, group in itertools.groupby(tokens, lambda token: set(token) <= {*_OPERATORS}):
        words = list(group)
        if is_operator:
            operator = words[-1]
            continue
        while words and _ENVIRONMENT.match(words[0]):
            del words[0]
        if words and not {*operator} & {*"<>"}:  # else it is a file
            yield tuple(words)
