import itertools

import numpy as np
import pytest

from adavit.report.statistics import mean_and_spread, paired_difference


def test_mean_and_spread_have_the_closed_form_of_three_values() -> None:
    mean, sd = mean_and_spread({"0": 1.0, "1": 2.0, "2": 6.0})
    assert mean == pytest.approx(3.0)
    assert sd == pytest.approx(((4 + 1 + 9) / 2) ** 0.5)  # over n - 1


def test_one_value_has_no_spread_and_two_have_one() -> None:
    assert mean_and_spread({"0": 4.0, "1": 6.0}) == (5.0, pytest.approx(2**0.5))
    assert mean_and_spread({"7": 4.0}) == (4.0, None)


def test_the_interval_is_that_of_all_resamples() -> None:
    """Against the exact bootstrap distribution: all 5^5 equally likely resamples of five pairs."""
    differences = np.array([-1.0, 0.5, 2.0, 3.5, 7.0])
    baseline = {str(i): float(10 * i) for i in range(5)}
    values = {seed: base + differences[int(seed)] for seed, base in baseline.items()}
    change = paired_difference(values, baseline)
    resamples = [np.mean(drawn) for drawn in itertools.product(differences, repeat=5)]
    low, high = np.percentile(resamples, [2.5, 97.5])
    assert change is not None
    assert change.mean == pytest.approx(differences.mean())
    assert change.pairs == 5
    # 10,000 draws of a distribution with a standard error of 1.2: the tails are known to about 0.05.
    assert change.low == pytest.approx(low, abs=0.2)
    assert change.high == pytest.approx(high, abs=0.2)


def test_two_pairs_give_their_range() -> None:
    change = paired_difference({"0": 5.0, "1": 9.0}, {"0": 4.0, "1": 6.0})
    assert change is not None
    assert (change.low, change.high, change.mean) == (1.0, 3.0, 2.0)


def test_only_common_seeds_are_compared() -> None:
    change = paired_difference({"0": 5.0, "3": 100.0}, {"0": 4.0, "1": 6.0})
    assert change is not None
    assert (change.mean, change.pairs, change.low, change.excludes_zero) == (1.0, 1, None, False)
    assert paired_difference({"0": 1.0}, {"1": 1.0}) is None


def test_pairing_removes_what_seeds_have_in_common() -> None:
    """Seeds differ by 100, the rows by 1: unpaired the interval would hold zero."""
    baseline = {str(seed): 100.0 * seed for seed in range(6)}
    values = {seed: value - 1 + 0.01 * int(seed) for seed, value in baseline.items()}
    change = paired_difference(values, baseline)
    assert change is not None
    assert change.excludes_zero
    assert change.high is not None
    assert change.high < -0.9


def test_the_same_figures_give_the_same_interval() -> None:
    values, baseline = {str(i): float(i * i) for i in range(4)}, {str(i): 1.0 for i in range(4)}
    np.random.default_rng().random()
    assert paired_difference(values, baseline) == paired_difference(values, baseline)
