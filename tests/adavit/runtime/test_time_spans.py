import time

import pytest

from adavit.runtime.time_spans import LONGEST_START_S, process_began, seconds_in, span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        (" 1.5H ", 5400),
        ("1d2h3m4s", 93_784),
        ("2w", 1_209_600),
        ("0.5s", 0.5),
    ],
)
def test_a_span_is_read(text: str, seconds: float) -> None:
    assert seconds_in(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "h",
        "2 h",
        "-2h",
        "30m1h",
        "2hours",
        "0s",
        "0h0m",
        "1e3s",
        "infs",
        "2h2h",
        "9" * 400 + "h",
    ],
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"is not a span of time, expected .* Write for example 2h"
    ):
        seconds_in(text)


@pytest.mark.parametrize("seconds", [1, 59, 60, 61, 3599, 3600, 5400, 86_400, 90_000])
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert seconds_in(span(seconds)) == seconds


def test_a_long_span_has_two_units() -> None:
    assert span(93_784) == "1d2h"
    assert span(0.2) == "1s"


def test_a_process_began_before_now_and_not_long_ago() -> None:
    before = time.monotonic()
    assert before - LONGEST_START_S <= process_began() <= time.monotonic()
