import io
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from adavit.augment import (
    AdaptiveProbability,
    FixedProbability,
    OverfittingStatistics,
    Probability,
    ScheduledProbability,
)

POSITIVE, NEGATIVE = torch.full((8,), 2.0), torch.full((8,), -1.0)


def feed(probability: Probability, images: int, batch: int, train: Tensor = POSITIVE) -> None:
    for _ in range(images // batch):
        probability.update(train=train, generated=NEGATIVE, images=batch)


@pytest.mark.parametrize("batch", [8, 50, 64, 1000])
def test_probability_goes_from_0_to_1_in_speed_kimg(batch: int) -> None:
    probability = AdaptiveProbability(speed_kimg=20.0, p_max=1.0)
    interval = 4 * batch
    feed(probability, 20_000 - interval, batch)
    assert probability.p < 1
    feed(probability, 2 * interval, batch)
    assert probability.p == 1


def test_step_is_the_images_of_the_interval_over_the_speed() -> None:
    probability = AdaptiveProbability(speed_kimg=10.0)
    done = [
        probability.update(train=POSITIVE, generated=NEGATIVE, images=size)
        for size in (10, 20, 30, 40)
    ]
    assert done == [False, False, False, True]
    assert probability.p == pytest.approx(100 / 10_000)
    assert probability.r_t == 1


def test_probability_falls_below_target_and_stays_in_its_bounds() -> None:
    probability = AdaptiveProbability(speed_kimg=1.0, initial=0.3, p_max=0.5)
    feed(probability, 3200, 32)
    assert probability.p == 0.5
    feed(probability, 320, 32, train=NEGATIVE)
    assert 0 < probability.p < 0.5
    feed(probability, 3200, 32, train=NEGATIVE)
    assert probability.p == 0


def test_statistics_of_an_interval_are_kept_until_the_next() -> None:
    probability = AdaptiveProbability(interval_batches=2)
    assert math.isnan(probability.r_t)
    assert math.isnan(probability.r_v)
    feed(probability, 16, 8)
    assert probability.r_t == 1
    feed(probability, 8, 8, train=NEGATIVE)
    assert probability.r_t == 1
    assert probability.statistics.r_t == -1
    feed(probability, 8, 8, train=NEGATIVE)
    assert probability.r_t == -1


def test_heldout_logits_in_one_minibatch_are_enough() -> None:
    probability = AdaptiveProbability(heuristic="rv", speed_kimg=1.0)
    for index in range(4):
        heldout = torch.full((3,), -1.0) if index == 2 else None
        probability.update(train=POSITIVE, generated=NEGATIVE, heldout=heldout, images=10)
    assert probability.r_v == 1
    assert probability.p == pytest.approx(0.04)


def test_without_heldout_logits_rv_leaves_p_and_says_why() -> None:
    probability = AdaptiveProbability(heuristic="rv", initial=0.2)
    feed(probability, 800, 8)
    assert probability.p == 0.2
    assert math.isnan(probability.r_v)
    (warning,) = probability.alarms().values()
    assert "Either none were given, or" in warning
    assert "The heuristic 'rt' needs none." in warning


def test_relative_heuristic_does_not_change_with_a_shift() -> None:
    probability = AdaptiveProbability(heuristic="relative", speed_kimg=1.0)
    for _ in range(4):
        probability.update(train=POSITIVE - 50, generated=NEGATIVE - 50, images=10)
    assert probability.r_t == -1
    assert probability.r_relative == 1
    assert probability.p == pytest.approx(0.04)


@pytest.mark.parametrize("heuristic", ["rt", "rv", "relative"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_not_finite_never_poison_p(heuristic: str, bad: float) -> None:
    probability = AdaptiveProbability(heuristic=heuristic, speed_kimg=1.0, initial=0.2)
    spoilt = POSITIVE.clone()
    spoilt[3] = bad
    for _ in range(4):
        probability.update(train=spoilt, generated=spoilt, heldout=spoilt, images=10)
    assert probability.p == 0.2
    assert any("not finite" in warning for warning in probability.alarms().values())
    for _ in range(4):
        probability.update(train=POSITIVE, generated=NEGATIVE, heldout=NEGATIVE, images=10)
    assert probability.p > 0.2


def test_an_interval_without_a_training_image_says_nothing_of_them() -> None:
    # APA may show generated images in the place of all of them.
    none, made = torch.zeros(len(POSITIVE), dtype=torch.bool), torch.tensor(True)
    probability = AdaptiveProbability(speed_kimg=1.0, initial=0.2)
    for counted in (none, ~none, none):
        before = probability.p
        for _ in range(4):
            probability.update(
                train=POSITIVE, generated=NEGATIVE, images=10, counted=counted, made=made
            )
        assert (probability.p > before) == bool(counted.all())
        assert probability.alarms() == {}
    assert probability.r_t == 1
    for _ in range(4):  # a step that was skipped is another matter
        probability.update(train=POSITIVE, generated=NEGATIVE, images=10, made=~made)
    assert "losses or gradients are not finite" in probability.alarms()["r undefined"]


def test_where_the_step_with_held_out_logits_was_skipped_it_is_not_said_that_none_are_kept() -> (
    None
):
    probability = AdaptiveProbability(heuristic="rv")
    for batch in range(4):
        last = batch == 3
        probability.update(
            train=POSITIVE,
            generated=NEGATIVE,
            heldout=NEGATIVE if last else None,
            images=10,
            made=torch.tensor(not last),
        )
    (alarm,) = probability.alarms().values()
    assert "r_v has been undefined" in alarm
    assert "losses or gradients of their step were not finite" in alarm
    assert "Keep a part of the data" not in alarm


def test_probability_holds_within_the_band() -> None:
    train = torch.tensor([1.0] * 81 + [-1.0] * 19)  # r_t = .62
    for band, moves in ((0.0, True), (0.03, False)):
        probability = AdaptiveProbability(hold_band=band)
        feed(probability, 400, 100, train=train)
        assert (probability.p > 0) == moves


def test_sums_of_several_processes_are_reduced_before_use() -> None:
    def add_another_process(sums: Tensor) -> None:
        other = OverfittingStatistics()
        for _ in range(4):
            other.observe(train=NEGATIVE, generated=NEGATIVE)
        sums += other.sums

    probability = AdaptiveProbability(reduce=add_another_process)
    feed(probability, 64, 16)
    assert probability.r_t == 0


def stored(probability: Probability) -> dict[str, Any]:
    """Its state, as a checkpoint gives it back."""
    file = io.BytesIO()
    torch.save(probability.state_dict(), file)
    file.seek(0)
    state: dict[str, Any] = torch.load(file, weights_only=True)
    return state


def assert_same_state(one: Probability, other: Probability) -> None:
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0, equal_nan=True)


def make_all() -> list[Probability]:
    return [
        AdaptiveProbability(speed_kimg=1.0, initial=0.1),
        AdaptiveProbability(heuristic="rv", speed_kimg=1.0, initial=0.1),
        AdaptiveProbability(heuristic="relative", target=-1, initial=0.3, p_max=0.3),  # at its cap
        FixedProbability(0.3),
        ScheduledProbability(0.8, 0.1, 1.0),
    ]


@pytest.mark.parametrize("kind", range(len(make_all())))
def test_resumed_probability_equals_an_uninterrupted_one(kind: int) -> None:
    whole, first, second = (make_all()[kind] for _ in range(3))

    def run(probability: Probability, numbers: range) -> None:
        for number in numbers:
            generator = torch.Generator().manual_seed(number)
            train, generated, heldout = torch.randn(3, 8, generator=generator).add(0.3)
            probability.update(
                train=train,
                generated=generated - 0.6,
                heldout=heldout if number % 3 == 0 else None,
                images=8,
            )

    run(whole, range(31))
    run(first, range(14))  # within an interval
    second.load_state_dict(stored(first))
    assert_same_state(second, first)
    run(second, range(14, 31))
    assert_same_state(second, whole)


@pytest.mark.parametrize(
    ("name", "train", "settings"),
    [
        ("p at its cap", POSITIVE, {"initial": 0.3, "p_max": 0.3}),
        ("r below 0", NEGATIVE, {}),
        ("r_v undefined", POSITIVE, {"heuristic": "rv"}),
    ],
)
def test_a_resumed_probability_knows_for_how_long_something_has_looked_wrong(
    name: str, train: Tensor, settings: dict[str, Any]
) -> None:
    first, second = (AdaptiveProbability(**settings, warn_after_kimg=0.064) for _ in range(2))
    feed(first, 80, 8, train=train)
    assert first.alarms().keys() == {name}
    second.load_state_dict(stored(first))
    assert second.alarms() == first.alarms()
    assert_same_state(second, first)


def test_warning_at_the_cap_comes_after_a_while_and_goes_again() -> None:
    probability = AdaptiveProbability(speed_kimg=0.1, warn_after_kimg=1.0)
    feed(probability, 960, 8)
    assert probability.alarms() == {}
    feed(probability, 320, 8)
    (warning,) = probability.alarms().values()
    assert "cap of 0.8" in warning
    assert "Add data" in warning
    feed(probability, 32, 8, train=NEGATIVE)
    assert probability.alarms() == {}


def test_at_the_cap_nothing_is_said_while_r_is_held() -> None:
    train = torch.tensor([1.0] * 78 + [-1.0] * 22)  # r_t = .56
    probability = AdaptiveProbability(initial=0.8, hold_band=0.1, warn_after_kimg=1.0)
    feed(probability, 4000, 100, train=train)
    assert (probability.p, probability.r_t) == (0.8, pytest.approx(0.56))
    assert probability.alarms() == {}


@pytest.mark.parametrize("images", [992, 1024])
def test_at_the_cap_an_interval_without_r_neither_counts_nor_begins_anew(images: int) -> None:
    probability = AdaptiveProbability(initial=0.8, warn_after_kimg=1.0)
    feed(probability, images, 8)
    assert ("p at its cap" in probability.alarms()) == (images > 1000)
    for _ in range(12):
        probability.update(train=POSITIVE, generated=NEGATIVE, images=8, made=torch.tensor(False))
    assert list(probability.alarms()) == ["r undefined"]
    feed(probability, 32, 8)
    (warning,) = probability.alarms().values()
    assert "for 1 kimg and r_t is 1.00" in warning


def test_at_the_cap_nothing_is_said_of_an_r_that_was_never_measured() -> None:
    probability = AdaptiveProbability(heuristic="rv", initial=0.8, warn_after_kimg=1.0)
    feed(probability, 1600, 8)
    assert list(probability.alarms()) == ["r_v undefined"]


def test_warning_when_r_t_is_negative_for_long() -> None:
    probability = AdaptiveProbability(warn_after_kimg=1.0)
    feed(probability, 1024, 8, train=NEGATIVE)
    (warning,) = probability.alarms().values()
    assert "r_t has been below 0 for 1 kimg" in warning


def test_warning_when_the_loss_has_no_threshold() -> None:
    (warning,) = AdaptiveProbability(threshold_at_zero=False).alarms().values()
    assert "Use the heuristic 'relative'" in warning
    assert AdaptiveProbability(heuristic="relative", threshold_at_zero=False).alarms() == {}


def test_without_a_threshold_a_negative_r_t_is_not_taken_for_a_loss() -> None:
    probability = AdaptiveProbability(threshold_at_zero=False, warn_after_kimg=1.0)
    feed(probability, 1024, 8, train=NEGATIVE)
    assert list(probability.alarms()) == ["no threshold"]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"heuristic": "r"}, r"heuristic is 'r', but must be one of rt, rv, relative"),
        ({"target": 2.0}, r"target is 2.0, but must lie in \[-1, 1\]\. Use 0\.6 for rt\."),
        ({"target": math.nan}, r"target is nan, but must lie in \[-1, 1\]"),
        ({"heuristic": "relative", "target": -1.1}, r"target is -1.1, .* \[-1, 1\]"),
        (
            {"heuristic": "rv", "target": -0.5},
            r"target is -0.5, but must lie in \[0, 1\]\. Use 0\.5 for rv\.",
        ),
        ({"heuristic": "rv", "target": 1.5}, r"target is 1.5, but must lie in \[0, 1\]"),
        ({"warn_after_kimg": 0}, r"warn_after_kimg is 0, but must be > 0\. Use 100\."),
        ({"warn_after_kimg": -1.0}, r"warn_after_kimg is -1.0, but must be > 0"),
        ({"warn_after_kimg": math.nan}, r"warn_after_kimg is nan, but must be > 0"),
        ({"speed_kimg": 0.0}, r"speed_kimg is 0.0, but must be > 0"),
        ({"p_max": 1.5}, r"p_max is 1.5, but must lie in \[0, 1\]"),
        ({"initial": 0.9}, r"initial is 0.9, but must be <= p_max"),
        ({"interval_batches": 0}, r"interval_batches is 0, but must be >= 1"),
        ({"hold_band": -0.1}, r"hold_band is -0.1, but must be >= 0"),
    ],
)
def test_settings_out_of_range_are_refused(keywords: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaptiveProbability(**keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("heuristic", "targets"), [("rt", (-1, 1)), ("relative", (-1, 1)), ("rv", (0, 1))]
)
def test_targets_may_lie_at_the_ends_of_what_a_heuristic_can_be(
    heuristic: str, targets: tuple[int, int]
) -> None:
    for target in targets:
        assert AdaptiveProbability(heuristic=heuristic, target=target).target == target


def test_defaults_are_those_of_the_paper() -> None:
    targets = {
        heuristic: AdaptiveProbability(heuristic=heuristic).target
        for heuristic in ("rt", "rv", "relative")
    }
    assert targets == {"rt": 0.6, "rv": 0.5, "relative": 0.6}
    usual = AdaptiveProbability()
    assert (usual.p, usual.p_max, usual.speed_kimg, usual.interval_batches) == (0, 0.8, 500, 4)
    assert usual.warn_after_kimg == 100  # our own


def test_an_alarm_keeps_its_name_while_its_figures_move() -> None:
    probability = AdaptiveProbability(speed_kimg=0.001, p_max=0.5, warn_after_kimg=1)
    said = []
    for _ in range(12):
        logits = torch.ones(8)
        probability.update(train=logits, generated=-logits, images=1000)
        said.append(probability.alarms())
    names = {name for alarms in said for name in alarms}
    sentences = {text for alarms in said for text in alarms.values()}
    assert names == {"p at its cap"}
    assert len(sentences) > 1
