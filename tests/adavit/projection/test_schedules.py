import math

import pytest

from adavit.projection.schedules import noise_factor, rate_factor


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.0),
        (10, 10 / 50),
        (50, 1.0),
        (700, 1.0),
        (750, 1.0),
        (875, 0.5),
        (999, 0.5 - 0.5 * math.cos(math.pi / 250)),
        (1000, 0.0),
    ],
)
def test_the_rate_rises_over_a_twentieth_and_falls_over_the_last_quarter(
    step: int, expected: float
) -> None:
    assert rate_factor(step / 1000) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.05), (250, 0.05 * (2 / 3) ** 2), (375, 0.0125), (750, 0.0), (900, 0.0)],
)
def test_the_noise_falls_as_a_square_until_three_quarters(step: int, expected: float) -> None:
    assert noise_factor(step / 1000) == pytest.approx(expected, abs=1e-12)
