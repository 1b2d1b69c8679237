import math

import numpy as np
import pytest

from adavit.augment.wavelets import SYM2, SYM6, SYM6_PEAK, filter_bank
from tests.references import augment_reference as reference


@pytest.mark.parametrize("taps", [SYM2, SYM6])
def test_taps_sum_to_the_root_of_two_and_their_squares_to_one(taps: tuple[float, ...]) -> None:
    assert sum(taps) == pytest.approx(math.sqrt(2), abs=1e-12)
    assert sum(tap * tap for tap in taps) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("taps", [SYM2, SYM6])
def test_even_shifts_are_orthogonal(taps: tuple[float, ...]) -> None:
    for shift in range(2, len(taps), 2):
        product = sum(a * b for a, b in zip(taps, taps[shift:], strict=False))
        assert product == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("taps", [SYM2, SYM6])
def test_high_pass_has_as_many_vanishing_moments_as_half_the_taps(taps: tuple[float, ...]) -> None:
    high = np.array(taps) * (-1.0) ** np.arange(len(taps))
    index = np.arange(len(taps)) / len(taps)
    for moment in range(len(taps) // 2):
        assert abs((high * index**moment).sum()) < 1e-10


@pytest.mark.parametrize("taps", [SYM2, SYM6])
def test_taps_are_among_the_filters_derived_from_the_polynomial(taps: tuple[float, ...]) -> None:
    # 1e-9: the roots of the polynomial are found only to about that.
    candidates = reference.orthogonal_filters(len(taps) // 2)
    assert np.abs(candidates - np.array(taps)).max(axis=1).min() < 1e-9


def test_largest_tap_lies_on_the_pixel() -> None:
    assert max(range(12), key=lambda index: SYM6[index]) == SYM6_PEAK


def test_bands_sum_to_the_unit_impulse_and_are_symmetric() -> None:
    bank = np.array(filter_bank())
    impulse = np.zeros(43)
    impulse[21] = 1
    np.testing.assert_allclose(bank.sum(axis=0), impulse, rtol=0, atol=1e-12)
    np.testing.assert_allclose(bank, bank[:, ::-1], rtol=0, atol=1e-15)


def test_bands_equal_the_reference() -> None:
    expected = reference.filter_bank(np.array(SYM2))
    np.testing.assert_allclose(np.array(filter_bank()), expected, rtol=0, atol=1e-14)
