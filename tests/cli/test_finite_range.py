from pathlib import Path

import pytest

from tests.cli.conftest import Adavit


@pytest.mark.parametrize(
    ("command", "flag", "spread"),
    [
        ("generate run --seeds 0 --out drawn", "--truncation", "0<=x<=2"),
        ("directions run --out found", "--reach", "0<x<=100"),
        ("interpolate run --seeds 0,1 --out film.gif", "--seconds", "0.1<=x<=3600"),
        ("augment preview --data small_set:4 --out shown.png", "--p", "0<=x<=1"),
    ],
)
@pytest.mark.parametrize("value", ["nan", "-NaN", "inf"])
def test_what_is_not_finite_is_in_no_range(
    adavit: Adavit, tmp_path: Path, command: str, flag: str, spread: str, value: str
) -> None:
    wrong = adavit(*command.split(), f"{flag}={value}")
    assert wrong.code == 2
    assert f"{value} is not in the range {spread}" in wrong.err.replace("Inf", "inf")
    assert flag in wrong.err
