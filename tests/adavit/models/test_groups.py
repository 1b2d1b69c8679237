"""Sizes of groups and parts."""

import math
from fractions import Fraction

import pytest

from adavit.models.groups import group_size, images_of_part


@pytest.mark.parametrize(
    ("batch", "largest", "size"), [(8, 4, 4), (6, 4, 3), (7, 4, 1), (1, 4, 1), (2, 4, 2), (9, 4, 3)]
)
def test_group_is_the_largest_divisor_that_fits(batch: int, largest: int, size: int) -> None:
    assert group_size(batch, largest) == size


def test_a_part_is_rounded_up_as_it_is_written() -> None:
    for hundredths in range(1, 101):
        for batch in (1, 4, 10, 12, 20, 32, 48, 64, 100, 128):
            expected = math.ceil(Fraction(hundredths, 100) * batch)
            assert images_of_part(hundredths / 100, batch) == expected, (hundredths, batch)
    assert images_of_part(1e-12, 4) == 1
