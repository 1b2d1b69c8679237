"""The clock of a run, turned by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from adavit.training.clock import LATEST, SPARE, BudgetClock, Clock, Stopwatch
from adavit.training.film import MOST_FRAMES
from adavit.training.progress import Progress
from adavit.training.time_plan import EXIT_S, Costs

COSTS = Costs(
    step_s=0.1,
    evaluation_s=5.0,
    fake_s=0.0,
    sheet_s=1.0,
    save_s=0.5,
    curves_s=0.3,
    frame_s=0.2,
    build_s=0.0,
)
CLOSING_S = 0.5 + 0.3 + 0.2 + EXIT_S
END_S = 5.0 + 1.0 + CLOSING_S


class Hand:
    """Time that stands until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


def make(hand: Hand, file: Path | None = None, **changes: Any) -> BudgetClock:
    return BudgetClock(
        budget="100s", began=hand.now, costs=COSTS, batch=10, file=file, now=hand, **changes
    )


def run(clock: BudgetClock, hand: Hand, images: int, step_s: float) -> int:
    """Trains until time is out or the last image is seen; how many are left."""
    while images > 0 and not clock.is_out(images):
        hand.now += step_s
        clock.stepped(step_s)
        images -= 10
    return images


def test_the_end_begins_so_that_it_is_over_in_time(hand: Hand) -> None:
    clock = make(hand)
    left = run(clock, hand, 100_000, 0.1)
    assert left > 0
    assert 100 - 0.3 <= clock.used + SPARE * END_S <= 100


def test_a_machine_that_slows_down_begins_the_end_sooner(hand: Hand) -> None:
    clock = make(hand)
    run(clock, hand, 100_000, 0.3)
    assert 95 <= clock.used + 3 * SPARE * END_S <= 100.5  # the pace is a moving average


@pytest.mark.parametrize("late", [1.0, 30.0])
def test_one_step_that_stood_still_does_not_end_a_run(hand: Hand, late: float) -> None:
    clock = make(hand)
    for number in range(200):
        step_s = late if number == 100 else 0.1
        hand.now += step_s
        clock.stepped(step_s)
        assert not clock.is_out(100_000)
    run(clock, hand, 100_000, 0.1)
    assert 95 <= clock.used + SPARE * END_S <= 100


def test_a_device_that_stood_still_once_does_not_end_a_run(hand: Hand) -> None:
    clock = make(hand)
    run(clock, hand, 1000, 0.1)
    clock.waited(30.0, 50)
    assert not clock.is_out(100_000)


def test_a_machine_that_stays_slower_is_followed(hand: Hand) -> None:
    clock = make(hand)
    left = run(clock, hand, 100_000, 4.0)  # forty times as slow
    assert left > 0
    assert clock.used + CLOSING_S <= LATEST * 100


def test_a_device_that_the_host_waits_for_is_as_slow_as_one_that_it_does_not(hand: Hand) -> None:
    clocks = {steps: make(hand) for steps in (None, 7, 64)}
    for steps, clock in clocks.items():
        hand.now = 1000.0
        for number in range(1, 1000):
            hand.now += 0.3
            clock.stepped(0.3 if steps is None else 0.01)
            if steps is not None and number % steps == 0:
                clock.waited(0.29 * steps, steps)
            if clock.is_out(100_000):
                break
        assert 95 <= clock.used + 3 * SPARE * END_S <= 100.5


def test_a_slow_evaluation_that_was_seen_is_reckoned_with(hand: Hand) -> None:
    clock = make(hand)
    clock.took("metrics", 20.0)
    run(clock, hand, 100_000, 0.1)
    assert 99 <= clock.used + SPARE * (END_S + 15) <= 100


def test_once_out_it_stays_out(hand: Hand) -> None:
    clock = make(hand)
    left = run(clock, hand, 100_000, 0.1)
    clock.took("metrics", 0.0)
    assert clock.is_out(left)


def test_a_run_that_comes_to_its_last_image_is_not_out_of_time(hand: Hand) -> None:
    clock = make(hand)
    assert run(clock, hand, 100, 0.1) <= 0
    hand.now += 500
    assert not clock.is_out(0)


@pytest.mark.parametrize(
    ("used", "has_room"),
    [
        (40.0, True),  # 50 more seconds of steps, the end, and an evaluation fit
        (100 - 50 - END_S - 4.0, False),  # not with an evaluation of 5 s
        (60.0, True),  # cut short whatever is left out
    ],
)
def test_an_evaluation_is_left_out_where_it_costs_the_last_step(
    hand: Hand, used: float, has_room: bool
) -> None:
    clock = make(hand)
    hand.now += min(used, 37.0) if used == 40.0 else used
    assert clock.has_room("metrics", 5000) is has_room


def test_at_the_end_there_is_room_until_it_would_be_late(hand: Hand) -> None:
    clock = make(hand)
    hand.now += 100 * LATEST - CLOSING_S - 5.0 - 0.01
    assert clock.has_room("metrics", 0)
    hand.now += 0.02
    assert not clock.has_room("metrics", 0)
    assert clock.has_room("samples", 0)


def test_it_strikes_in_time_for_what_must_follow(hand: Hand) -> None:
    clock = make(hand)
    hand.now += 100 * LATEST - CLOSING_S - 0.01
    assert not clock.has_struck()
    hand.now += 0.02
    assert clock.has_struck()


def test_the_film_is_of_the_grids_of_earlier_commands_too(hand: Hand) -> None:
    for grids, frames in ((0, 1), (20, 21), (500, MOST_FRAMES)):
        clock = make(hand, grids=grids)
        hand.now += 100 * LATEST - CLOSING_S - (frames - 1) * COSTS.frame_s - 0.01
        assert not clock.has_struck()
        hand.now += 0.02
        assert clock.has_struck()


def test_a_run_that_ends_sooner_has_not_used_its_time(hand: Hand, tmp_path: Path) -> None:
    file = tmp_path / "budget.json"
    for used, left, ended in ((10.0, 80, False), (10.0, 0, True), (99.0, 80, True)):
        clock = make(hand, file)
        hand.now += used
        clock.is_out(left)
        clock.stopped()
        assert json.loads(file.read_text())["ended"] is ended


def test_what_was_used_before_counts_and_is_written_down(hand: Hand, tmp_path: Path) -> None:
    clock = make(hand, tmp_path / "budget.json", used_before=30.0)
    hand.now += 12.5
    clock.reported(Progress())
    assert not clock.is_out(0)
    written = json.loads((tmp_path / "budget.json").read_text())
    assert written["used_s"] == 42.5
    assert written["budget"] == "100s"
    assert written["measured"]["evaluation_s"] == 5.0
    assert written["ended"] is False
    assert clock.stopped() == "; 42s of 100s used"
    assert json.loads((tmp_path / "budget.json").read_text())["ended"] is True
    assert clock.ending() == "where its budget of 100s ends"


def test_without_a_budget_there_is_always_time() -> None:
    clock = Clock()
    assert not clock.is_out(1)
    assert clock.has_room("metrics", 1)
    assert not clock.has_struck()
    assert (clock.reported(Progress()), clock.stopped()) == ([], "")


def test_a_stopwatch_tells_once_how_long_it_takes() -> None:
    clock = Stopwatch(total_images=10_000, every_images=2000)
    assert clock.reported(Progress()) == []
    clock.took("metrics", 30.0)
    clock.took("samples", 5.0)
    progress = Progress(images=1000, seconds=60.0)
    # 9 * 60 s of steps; evaluations at 2, 4, 6, 8 and 10 kimg.
    assert clock.reported(progress) == ["About 12 minutes to go, evaluations included."]
    assert clock.reported(Progress(images=2000, seconds=140.0)) == []  # 8 * 80 s, within a third
    assert clock.reported(Progress(images=3000, seconds=900.0)) == []


@pytest.mark.parametrize(("seconds", "told"), [(15.0, "2 minutes"), (400.0, "53 minutes")])
def test_a_stopwatch_takes_back_what_the_first_steps_had_it_say(seconds: float, told: str) -> None:
    clock = Stopwatch(total_images=10_000, every_images=None)
    # As on a GPU: the first thousand images hold the recording of each kind of step.
    assert clock.reported(Progress(images=1000, seconds=50.0)) == [
        "About 8 minutes to go, evaluations included."
    ]
    assert clock.reported(Progress(images=2000, seconds=50 + seconds)) == [
        f"About {told} to go after all: the first steps were not typical."
    ]
    assert clock.reported(Progress(images=3000, seconds=9000.0)) == []


def test_a_stopwatch_takes_nothing_back_where_the_words_would_be_the_same() -> None:
    clock = Stopwatch(total_images=2000, every_images=None)
    assert clock.reported(Progress(images=1000, seconds=13.0)) == [
        "About 10 seconds to go, evaluations included."
    ]
    # 500 images at 17 ms are 8.7 s, a third less than the 13 s before.
    assert clock.reported(Progress(images=1500, seconds=13 + 8.7)) == []


def test_a_stopwatch_of_a_run_that_goes_on_goes_by_its_own_pace_and_the_last_evaluation() -> None:
    clock = Stopwatch(total_images=10_000, every_images=2000)
    latest = {"name": "fid", "fid": 9.0, "images": 4000, "seconds": 60.0}
    clock.went_on(Progress(images=5000, seconds=500_000.0, latest=latest))  # on a slow machine
    # 4 * 60 s of steps, and evaluations at 6, 8 and 10 kimg.
    assert clock.reported(Progress(images=6000, seconds=500_060.0)) == [
        "About 7 minutes to go, evaluations included."
    ]


def test_a_stopwatch_says_nothing_of_a_run_that_is_over() -> None:
    clock = Stopwatch(total_images=1000, every_images=None)
    assert clock.reported(Progress(images=1000, seconds=60.0)) == []
