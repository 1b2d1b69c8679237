import pytest

from benchmarks.claims.results import METHODS, Outcome, Place, running_median
from benchmarks.claims.turning import lag_before_turning, rise_kimg, turn_kimg
from tests.benchmarks.claims.made_up import results


def outcome(rises_at: float, turns_at: float, *, end: float = 20.0) -> Outcome:
    """r_t is above .6 from one time on, r_v above .5 two kimg later; the distance has its lowest at another."""
    times = [float(kimg) for kimg in range(0, 41)]
    return Outcome(
        curve=[(kimg, 10 + abs(kimg - turns_at) / 40 * (end - 10)) for kimg in times[::5]],
        recognised=0.5,
        heuristics=[
            (kimg, 0.7 if kimg >= rises_at else 0.1, 0.6 if kimg >= rises_at + 2 else 0.1)
            for kimg in times
        ],
    )


def test_a_distance_turns_at_its_lowest_if_it_has_risen_by_a_tenth() -> None:
    assert turn_kimg(outcome(5, 20)) == 20
    assert turn_kimg(outcome(5, 20, end=11.9)) is None  # 10.95 at the end
    assert turn_kimg(outcome(5, 40)) is None


def test_a_heuristic_has_risen_where_its_median_stays_above_the_target() -> None:
    assert rise_kimg(outcome(8, 20), "rt") == 9  # the median of three lags by one
    assert rise_kimg(outcome(8, 20), "rv") == 11
    assert rise_kimg(outcome(50, 20), "rt") is None
    falls = Outcome(
        [(0, 1.0)], 0.0, [(0, 0.9, None), (1, 0.9, None), (2, 0.1, None), (3, 0.1, None)]
    )
    assert rise_kimg(falls, "rt") is None
    assert rise_kimg(falls, "rv") is None


def test_the_running_median_leaves_out_what_was_not_measured() -> None:
    assert running_median([1.0, None, 3.0, 5.0, None, None, None]) == [1, 1, 2, 4, 4, 5, None]


@pytest.mark.parametrize(
    ("rises_at", "turns_at", "word"),
    [
        (5.0, 20.0, "holds"),
        (30.0, 20.0, "does not hold"),
        (50.0, 20.0, "does not hold"),
        (5.0, 40.0, "cannot be told here"),
    ],
)
def test_the_lag(rises_at: float, turns_at: float, word: str) -> None:
    def make(place: Place, seed: int) -> Outcome | None:
        return outcome(rises_at + seed, turns_at) if place.grid == METHODS else None

    verdict = lag_before_turning(results(make))
    assert verdict.word == word
    assert len(verdict.table) == 2 + 18
    if word == "holds":  # 20 - (6 + seed) and 20 - (8 + seed)
        assert "r_t: holds (median +13 kimg, mean +13 [" in verdict.parts[0]
        assert "r_v: holds (median +11 kimg, mean +11 [" in verdict.parts[1]
    if rises_at == 50:  # how long the runs are is no lag
        never = "in none of 18 runs whose distance has turned it has risen by the end"
        assert verdict.parts == [f"{name}: does not hold ({never})" for name in ("r_t", "r_v")]


@pytest.mark.parametrize(
    ("rises_at", "word"), [(5.0, "cannot be told here"), (30.0, "does not hold")]
)
def test_a_lag_that_is_known_to_be_at_most_so_long_does_not_hold_a_claim(
    rises_at: float, word: str
) -> None:
    def make(place: Place, seed: int) -> Outcome | None:
        never = (seed, place.images) == (2, 100)
        return outcome(50 if never else rises_at, 20.0) if place.grid == METHODS else None

    verdict = lag_before_turning(results(make))
    assert verdict.word == word
    assert all(
        "at most: in 2 of 18 runs it has not risen by the end" in part for part in verdict.parts
    )
