"""Amounts of memory."""

import pytest

from adavit.runtime.amounts import bytes_of


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("8GB", 8 * 10**9),
        ("8GiB", 8 * 2**30),
        ("6000MB", 6 * 10**9),
        (" 1.5 gib ", 3 * 2**29),
        ("512kB", 512_000),
        ("2TiB", 2**41),
        ("7B", 7),
    ],
)
def test_a_number_and_its_unit(text: str, count: int) -> None:
    assert bytes_of(text) == count


@pytest.mark.parametrize("text", ["8", "GB", "-1GB", "0GB", "8 XB", "1e3MB", "8GB8", "", "8GHz"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="Use 8GB, 8GiB or 6000MB"):
        bytes_of(text)
