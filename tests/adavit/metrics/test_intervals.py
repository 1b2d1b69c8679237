import pytest

from adavit.metrics.intervals import newcombe_interval, wilson_interval


@pytest.mark.parametrize("z", [1.959964, 2.576])
@pytest.mark.parametrize(("hits", "count"), [(1, 4), (9, 1000), (30, 31), (12.5, 20)])
def test_wilson_bounds_solve_the_equation_that_defines_them(
    hits: float, count: int, z: float
) -> None:
    low, high = wilson_interval(hits, count, z=z)
    assert low < hits / count < high
    for bound in (low, high):
        standard_errors = abs(hits / count - bound) / (bound * (1 - bound) / count) ** 0.5
        assert standard_errors == pytest.approx(z, rel=1e-9)


@pytest.mark.parametrize("z", [1.959964, 2.576])
@pytest.mark.parametrize("count", [3, 10, 23])
def test_wilson_bounds_end_at_the_ends(count: int, z: float) -> None:
    # Closed form at the ends: z^2 / (n + z^2).
    none, all_of_them = (wilson_interval(hits, count, z=z) for hits in (0, count))
    assert (none[0], all_of_them[1]) == (0, 1)
    assert none[1] == pytest.approx(z**2 / (count + z**2))
    assert all_of_them[0] == pytest.approx(count / (count + z**2))


@pytest.mark.parametrize(
    ("hits", "count", "expected"), [(50, 100, (0.37533, 0.62467)), (20, 20, (0.75087, 1.0))]
)
def test_wilson_bounds_are_the_roots_solved_by_hand(
    hits: int, count: int, expected: tuple[float, float]
) -> None:
    # Roots of (p - share)^2 = z^2 p (1 - p) / n with z = 2.576.
    assert wilson_interval(hits, count, z=2.576) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Method 10 of table II of Newcombe 1998.
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ],
)
def test_newcombe_bounds_are_the_published_ones(
    first: tuple[int, int], second: tuple[int, int], expected: tuple[float, float]
) -> None:
    assert newcombe_interval(first, second, z=1.959964) == pytest.approx(expected, abs=1e-4)
    low, high = newcombe_interval(second, first, z=1.959964)
    assert (-high, -low) == pytest.approx(expected, abs=1e-4)
