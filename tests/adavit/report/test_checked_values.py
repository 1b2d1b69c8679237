import math
from typing import Any

import pytest

from adavit.errors import UserError
from adavit.report.checked_values import check_settings, sound


@pytest.mark.parametrize(
    "value",
    [0, 0.0, -3, 1e99, -1e-99, math.nan, math.inf, True, None, "é🐱", [1, {"a": [None]}], ()],
)
def test_what_a_run_may_hold_stays_as_it_is(value: Any) -> None:
    found = sound(value, "a.json")
    assert found == value or math.isnan(found)
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value", [1e100, -1e308, 5e-324, 10**101, [{"a": [10**5000]}]], ids=lambda _: ""
)
def test_absurd_numbers_are_refused_by_file(value: Any) -> None:
    with pytest.raises(
        UserError, match=r"^a\.json holds the figure .* 0 or a size from 1e-100 to 1e\+100\. Res"
    ):
        sound(value, "a.json")


def test_what_is_no_text_is_escaped_in_keys_and_values() -> None:
    assert sound({"\ud800a": ["\udcff"]}, "") == {r"\ud800a": [r"\udcff"]}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"run.seed": "0"}, "c has run.seed '0', expected a whole number"),
        ({"run.seed": True}, "run.seed True"),
        ({"run.seed": None}, "run.seed None"),
        ({"training.total_kimg": "1e3"}, "training.total_kimg '1e3', expected a number"),
        ({"augment.p": [0.5]}, r"augment.p \[0.5\]"),
        ({"augment.mode": 3}, "augment.mode 3, expected a text"),
        ({"data.source": ["a"]}, r"data.source \['a'\]"),
    ],
)
def test_settings_of_other_types_are_refused_by_key(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_settings(settings, "c")


def test_settings_as_adavit_writes_them_are_taken() -> None:
    check_settings({}, "c")
    check_settings(
        {"run.seed": 3, "augment.p": None, "training.total_kimg": 5, "augment.mode": "ada"}, "c"
    )
