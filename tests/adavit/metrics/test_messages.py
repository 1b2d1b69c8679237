"""The metrics know no command line: they name no flag but the two by which weights are given."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import adavit.metrics

FLAG = re.compile(r"(?<![\w-])--[a-z]")


def text_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string constant with its line: messages, parts of f-strings, docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def flags_in(source: str) -> list[int]:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        # Who lacks weights is to read what to type, whichever command needs them.
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "WeightFile":
            node.args.clear()
    return [line for line, text in text_of(tree) if FLAG.search(text)]


def test_no_text_of_the_metrics_names_a_flag() -> None:
    (folder,) = adavit.metrics.__path__
    found = [
        f"{path.name}:{line}"
        for path in sorted(Path(folder).rglob("*.py"))
        for line in flags_in(path.read_text(encoding="utf-8"))
    ]
    assert not found, "say what is meant, and let adavit.evaluation or cli name its flag"


def test_the_search_sees_messages_f_strings_and_docstrings_but_no_dashes() -> None:
    source = (
        '"""As `--metrics`."""\nx = 1\nraise ValueError(f"{x} (--fakes)")\ny = "a -- b, x--y"\n'
    )
    assert flags_in(source) == [1, 3]
