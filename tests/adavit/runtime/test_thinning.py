from itertools import pairwise

import pytest

from adavit.runtime.thinning import evenly_spread


@pytest.mark.parametrize("count", [0, 1, 5])
def test_what_is_few_is_kept_whole(count: int) -> None:
    assert evenly_spread(count, 5) == list(range(count))


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(101, 5, [0, 25, 50, 75, 100]), (6, 5, [0, 1, 2, 4, 5]), (9, 2, [0, 8])],
)
def test_of_many_both_ends_are_kept_and_the_nearest_to_even_steps(
    count: int, most: int, expected: list[int]
) -> None:
    assert evenly_spread(count, most) == expected


@pytest.mark.parametrize("most", [2, 6, 16, 48])
def test_no_position_comes_twice_and_no_gap_is_longer_by_two(most: int) -> None:
    for count in range(most + 1, 5 * most):
        kept = evenly_spread(count, most)
        gaps = {after - before for before, after in pairwise(kept)}
        assert (kept[0], kept[-1], len(kept)) == (0, count - 1, most)
        assert min(gaps) >= 1
        assert max(gaps) - min(gaps) <= 1
