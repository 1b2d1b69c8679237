from typing import Any

import pytest
import yaml

from adavit.errors import first_line, shown

LAUGHS = yaml.safe_load(
    "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c]"
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("many", "'many'"),
        (-3, "-3"),
        (2.5, "2.5"),
        (None, "None"),
        ([1, 2], "[1, 2]"),
        ({"a": 1}, "{'a': 1}"),
        (10**40 - 1, "9" * 40),
        (10**41, "<41 digits>"),
    ],
)
def test_a_value_is_shown_as_it_is_while_it_is_short(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    "value", ["x" * 10**6, list(range(10**6)), LAUGHS, {i: [i] for i in range(99)}]
)
def test_whatever_a_file_holds_is_shown_shortly(value: Any) -> None:
    assert len(shown(value)) < 700


def test_the_first_line_of_an_error_or_its_class() -> None:
    assert first_line(ValueError("  one\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"
