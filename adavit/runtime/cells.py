"""Text within what other programs read: Markdown shows it as it is, spreadsheets do not compute it."""

import re

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet may take for the beginning of a formula, in the width of Latin and of Chinese letters."""


def markdown_cell(words: str) -> str:
    """Text that Markdown shows as it is: no markup, no new cells, one line."""
    marks = r"[\\`*{}\[\]<>|#&!~]|(?<![^\W_])_|_(?![^\W_])"  # inside a word, _ is a letter
    return re.sub(f"({marks})", r"\\\1", _one_line(words))


def markdown_code(words: str) -> str:
    """Text as Markdown's code, which it cannot end: one line, with ' in place of `. Not for cells, which | ends."""
    return f"`{_one_line(words).replace('`', chr(39)) or ' '}`"


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    text = isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_STARTS)
    return f"'{value}" if text else value


def _one_line(words: str) -> str:
    # Half a pair of surrogates, which JSON can hold, is in no file of UTF-8.
    return " ".join(words.encode(errors="backslashreplace").decode().split())
