import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from adavit.config.section import SEED_END
from adavit.errors import UserError
from adavit.styles.numbers import DirectionStep, integers, parse_layers, parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-3", [0, 1, 2, 3]),
        ("1, 5,7-9", [1, 5, 7, 8, 9]),
        ("4", [4]),
        ("3-3", [3]),
        ("2,1", [2, 1]),
        (" 1 , 2 ", [1, 2]),
        ("1,5,7-9", [1, 5, 7, 8, 9]),
        (f"0-1,{2**64 - 1}", [0, 1, 2**64 - 1]),
    ],
)
def test_seeds_are_numbers_and_ranges(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "1-",
        "-1",
        "1,,2",
        "1.5",
        "1-b",
        "²",
        "٣",
        str(2**64),
        "9" * 5000,
        "1-" + "9" * 5000,
    ],
)
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(
        UserError, match=r"expected numbers below 2\^64 and ranges of them\. Write for example"
    ):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["3-2", "0-1000000", "0-99999999999"])
def test_ranges_rise_and_end(text: str) -> None:
    with pytest.raises(UserError, match="expected at most a million numbers, rising, such as 1-5"):
        parse_seeds(text)


def test_seeds_of_runs_end_earlier_and_messages_name_their_flag() -> None:
    assert parse_seeds(str(2**63 - 1), end=SEED_END) == [2**63 - 1]
    with pytest.raises(UserError, match=r"--seeds has '9223372036854775808', .* below 2\^63"):
        parse_seeds(str(2**63), end=SEED_END)
    with pytest.raises(UserError, match=r"--rows has 'x', .* Write for example --rows 0-63"):
        parse_seeds("x", flag="--rows")


@pytest.mark.parametrize("seeds", [[3, 1, 3], np.array([3, 1, 3]), torch.tensor([3, 1, 3])])
def test_seeds_are_whole_numbers_whatever_holds_them(seeds: Iterable[int]) -> None:
    found = integers(seeds)
    assert found == [3, 1, 3]
    assert {type(seed) for seed in found} == {int}


def test_what_is_no_whole_number_is_no_seed() -> None:
    with pytest.raises(TypeError):
        integers([1.5])  # type: ignore[list-item]


def test_layers_are_sorted_and_named_once() -> None:
    assert parse_layers("5,0-2,1") == [0, 1, 2, 5]
    for text in ("", "a", "0-", "3-1", "1000"):
        with pytest.raises(UserError, match="--layers has"):
            parse_layers(text)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("a.safetensors:2=1.5", (Path("a.safetensors"), 2, 1.5)),
        ("C:\\x\\d.safetensors:0=-3", (Path("C:\\x\\d.safetensors"), 0, -3.0)),
        ("runs:1=2/d:10=1e-1", (Path("runs:1=2/d"), 10, 0.1)),
    ],
)
def test_a_step_names_file_direction_and_amount(text: str, step: tuple[Path, int, float]) -> None:
    assert DirectionStep.parse(text) == DirectionStep(*step)


@pytest.mark.parametrize(
    "text", ["", "a", "a:1", "a=1", ":1=2", "a:-1=2", "a:1=", "a:1=x", "a:1=nan"]
)
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"expected FILE:NUMBER=AMOUNT\. Write for example"):
        DirectionStep.parse(text)


@pytest.mark.parametrize("amount", ["1000.5", "-2000", "1e300"])
def test_a_step_far_beyond_all_styles_is_refused(amount: str) -> None:
    with pytest.raises(
        UserError,
        match=rf"--direction goes {re.escape(format(float(amount), 'g'))} .* at most 1000",
    ):
        DirectionStep.parse(f"a:1={amount}")
    assert DirectionStep.parse("a:1=-1000").amount == -1000
