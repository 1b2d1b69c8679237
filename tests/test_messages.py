"""What users are told is plain English: "is not a setting", where a literal translation would say "is no setting"."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ODD = re.compile(r"(?<!there)(?<!There) (is|are|was|were) no (?!longer\b|more\b)")


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Strings of a program with their lines, raised and printed ones among them, but for its docstrings."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield node.lineno, node.value


def test_nothing_is_said_to_be_no_thing() -> None:
    odd = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for folder in ("adavit", "augment", "cli")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, text in texts(path.read_text(encoding="utf-8"))
        if ODD.search(text)
    ]
    assert not odd, f"{odd}: write 'is not a ...', 'are not ...' or 'no longer exists'"


def test_an_odd_text_is_seen_and_a_plain_one_is_left_alone() -> None:
    source = '''
def f(x):
    """It is no docstring of ours."""
    if x:
        raise ValueError(f"{x} is no amount " "of memory")
    raise ValueError("there is no run here", "it is no longer there", "these are no names", "is not a run")
'''
    found = {text for _, text in texts(source) if ODD.search(text)}
    assert found == {" is no amount of memory", "these are no names"}
