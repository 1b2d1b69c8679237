import pytest

from adavit.errors import UserError
from adavit.generation.seeds import parse_seeds


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
        str(2**63),
        "9" * 5000,
        "1-" + "9" * 5000,
    ],
)
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(
        UserError, match=r"expected numbers below 2\^63 and ranges of them\. Write for example"
    ):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["3-2", "0-1000000", "0-99999999999"])
def test_ranges_rise_and_end(text: str) -> None:
    with pytest.raises(UserError, match="expected at most a million numbers, rising, such as 1-5"):
        parse_seeds(text)
