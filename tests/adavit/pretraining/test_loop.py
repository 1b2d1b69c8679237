import math

import pytest

from adavit.pretraining.loop import learning_rate


def test_the_rate_rises_and_falls_to_zero() -> None:
    rate = {"peak": 2.0, "warmup": 10.0, "total": 50.0}
    assert learning_rate(5, **rate) == 1.0
    assert learning_rate(10, **rate) == 2.0
    assert learning_rate(20, **rate) == pytest.approx(1 + math.sqrt(0.5))
    assert learning_rate(30, **rate) == pytest.approx(1.0)
    assert learning_rate(50, **rate) == pytest.approx(0.0)
    assert learning_rate(3, peak=2.0, warmup=0.0, total=3.0) == pytest.approx(0.0)
