import math
from typing import Any

import pytest
import torch
from torch import Tensor

from adavit.augment import FixedProbability, Probability, ScheduledProbability
from adavit.augment.probability import require

POSITIVE, NEGATIVE = torch.full((8,), 2.0), torch.full((8,), -1.0)


def feed(probability: Probability, images: int, batch: int) -> None:
    for _ in range(images // batch):
        probability.update(train=POSITIVE, generated=NEGATIVE, images=batch)


def test_fixed_probability_measures_but_never_moves() -> None:
    probability = FixedProbability(0.4)
    feed(probability, 8000, 8)
    assert probability.p == 0.4
    assert probability.r_t == 1
    assert probability.alarms() == {}


def test_scheduled_probability_follows_half_a_cosine() -> None:
    probability = ScheduledProbability(0.8, 0.2, horizon_kimg=1.0)
    assert probability.p == 0.8
    feed(probability, 250, 10)
    expected = 0.2 + 0.6 * (1 + math.cos(math.pi / 4)) / 2
    assert probability.p == pytest.approx(expected)
    feed(probability, 250, 10)
    assert probability.p == pytest.approx(0.5)
    feed(probability, 1000, 10)
    assert probability.p == pytest.approx(0.2)


def test_a_schedule_moves_within_intervals_and_may_rise() -> None:
    probability = ScheduledProbability(0.0, 1.0, horizon_kimg=0.1, interval_batches=50)
    found = []
    for _ in range(11):
        probability.update(train=POSITIVE, generated=NEGATIVE, images=10)
        found.append(probability.p)
    expected = [(1 - math.cos(math.pi * min(done / 10, 1))) / 2 for done in range(1, 12)]
    assert found == pytest.approx(expected)
    assert math.isnan(probability.r_t)  # the first interval is not over


def test_figures_are_those_of_the_last_complete_interval() -> None:
    probability = FixedProbability(0.4, interval_batches=3)
    ended = [
        probability.update(train=logits, generated=NEGATIVE, heldout=heldout, images=8)
        for logits, heldout in [
            (POSITIVE, None),
            (NEGATIVE, 0 * POSITIVE),
            (POSITIVE, None),
            (NEGATIVE, None),
        ]
    ]
    assert ended == [False, False, True, False]
    assert probability.r_t == pytest.approx(1 / 3)
    assert probability.r_v == pytest.approx((1 - 0) / (1 + 1))  # means 1, 0 and -1
    assert probability.r_relative == pytest.approx(2 / 3)
    assert probability.statistics.r_t == -1  # of the running one


def test_sums_are_handed_to_all_processes_once_an_interval() -> None:
    calls: list[Tensor] = []
    probability = FixedProbability(0.4, interval_batches=2, reduce=calls.append)
    feed(probability, 40, 8)
    assert [len(sums) for sums in calls] == [9, 9]
    assert calls[0][2] == 16  # logits of training images in two minibatches


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (FixedProbability, (1.1,), r"^p is 1.1, but must lie in \[0, 1\]\. Use 0 to start\.$"),
        (FixedProbability, (math.nan,), r"^p is nan, but must lie"),
        (FixedProbability, (0.5, 0), r"^interval_batches is 0, but must be >= 1\. Use 4\.$"),
        (ScheduledProbability, (-0.1, 0.5, 1.0), r"^p is -0.1, but must lie"),
        (ScheduledProbability, (0.1, 1.5, 1.0), r"^end is 1.5, but must lie in \[0, 1\]\. Use 0"),
        (ScheduledProbability, (0.1, 0.5, 0.0), r"^horizon_kimg is 0.0, but must be > 0\. Use to"),
    ],
)
def test_arguments_out_of_range_are_refused(
    kind: Any, arguments: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(*arguments)


def test_what_holds_is_not_refused() -> None:
    require(True, "p", 0.5, "lie in [0, 1]", "Use 0")
