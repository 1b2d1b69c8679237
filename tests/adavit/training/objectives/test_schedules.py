"""Values that move with the images seen."""

import math

import pytest

from adavit.training.objectives.schedules import Cosine


def test_a_cosine_goes_half_way_in_half_the_time_and_stays() -> None:
    schedule = Cosine(2.0, 1.0, 100)
    values = [schedule(images) for images in (0, 25, 50, 100, 700)]
    expected = [2.0, 1.5 + math.cos(math.pi / 4) / 2, 1.5, 1.0, 1.0]
    assert values == pytest.approx(expected, rel=1e-12)
    assert Cosine(0.3, 0.3, 7)(3) == 0.3
