import pytest

from adavit.runtime.wording import (
    counted,
    did_you_mean,
    duration,
    in_three_digits,
    listed,
    size,
    with_middle_left_out,
)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (12345, "12,345 files")]
)
def test_one_thing_is_singular(count: int, words: str) -> None:
    assert counted(count, "file", "files") == words


def test_a_long_text_keeps_its_ends() -> None:
    assert with_middle_left_out("abcdefgh", 8) == "abcdefgh"
    assert with_middle_left_out("abcdefgh", 7) == "abc…fgh"
    assert with_middle_left_out("abcdefgh", 6) == "abc…gh"


def test_the_nearest_word_is_asked_for() -> None:
    assert did_you_mean("axis", ["base", "axes"]) == " Did you mean axes?"
    assert did_you_mean("zzz", ["base", "axes"]) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.42, "0.42 seconds"),
        (40, "40 seconds"),
        (120, "2 minutes"),
        (4000, "66.7 minutes"),
        (7200, "2 hours"),
        (16_383_804, "189.6 days"),
    ],
)
def test_a_time_has_the_unit_that_people_would_use(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.4246, "0.425"),
        (12.34, "12.3"),
        (999.4, "999"),
        (999.5, "1,000"),
        (1563.2, "1,563"),
    ],
)
def test_a_number_has_three_digits_or_is_whole(value: float, words: str) -> None:
    assert in_three_digits(value) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (812, "812 bytes"),
        (3400, "3.4 kB"),
        (1_300_000, "1.3 MB"),
        (2 * 10**9, "2 GB"),
        (999, "999 bytes"),
        (999_400, "999 kB"),
        (999_600, "1 MB"),
        (999_700_000, "1 GB"),
        (999_400_000_000, "999 GB"),
        (999_800_000_000, "1,000 GB"),
        (1_234_000_000_000, "1,234 GB"),
        (10**40, "over a billion GB"),
    ],
)
def test_a_size_has_the_unit_that_people_would_use(count: int, words: str) -> None:
    assert size(count) == words


def test_of_many_names_the_first_are_listed() -> None:
    assert listed(iter(["a"])) == "a"
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(map(str, range(1203))) == "0, 1, 2, 3, 4, 5, 6, 7 and 1,195 more"
