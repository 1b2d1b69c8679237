"""Sizes of groups."""

import pytest

from adavit.models.groups import group_size


@pytest.mark.parametrize(
    ("batch", "largest", "size"), [(8, 4, 4), (6, 4, 3), (7, 4, 1), (1, 4, 1), (2, 4, 2), (9, 4, 3)]
)
def test_group_is_the_largest_divisor_that_fits(batch: int, largest: int, size: int) -> None:
    assert group_size(batch, largest) == size
