"""Text as cells of tables that other programs read: Markdown shows it, spreadsheets do not compute it."""

import re

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet may take for the beginning of a formula, in the width of Latin and of Chinese letters."""


def markdown_cell(words: str) -> str:
    """Text that Markdown shows as it is: no markup, no new cells, one line."""
    marks = r"[\\`*{}\[\]<>|#&!~]|(?<![^\W_])_|_(?![^\W_])"  # inside a word, _ is a letter
    return re.sub(f"({marks})", r"\\\1", " ".join(words.split()))


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    text = isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_STARTS)
    return f"'{value}" if text else value
