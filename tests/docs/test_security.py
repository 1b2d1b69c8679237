"""What SECURITY.md promises is held by tests that are there."""

import ast
import re

from tests.docs.documents import ROOT, text_of


def promised(text: str) -> list[tuple[str, str]]:
    """Files and tests that a text names."""
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)


def is_a_test(file: str, name: str) -> bool:
    path = ROOT / file
    if not path.is_file():
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body)


def test_every_promise_is_held_by_a_test() -> None:
    text = text_of("SECURITY.md")
    tests = promised(text)
    assert len(tests) == text.count("::") > 20
    absent = [test for test in tests if not is_a_test(*test)]
    assert not absent, f"SECURITY.md names {absent}"
    promises = text.partition("## What is not promised")[0].split("\n- ")[1:]
    assert all("tests/" in promise for promise in promises)


def test_a_test_that_is_not_there_is_seen() -> None:
    here = "tests/docs/test_security.py"
    assert is_a_test(here, "test_a_test_that_is_not_there_is_seen")
    assert not is_a_test(here, "test_another")
    assert not is_a_test("tests/docs/absent.py", "test_another")
