"""Means between two lines of stats.jsonl."""

import math
from dataclasses import replace

import pytest
import torch

from adavit.training.passes.step_result import StepResult
from adavit.training.window import StatsWindow


def result(loss: float, *, r1: float | None = None, finite: bool = True) -> StepResult:
    losses = {"loss_generator": torch.tensor(loss), "loss_discriminator": torch.tensor(2 * loss)}
    if r1 is not None:
        losses["r1"] = torch.tensor(r1)
    logits = torch.tensor([1.0, -1, 3, 1]), torch.tensor([-2.0] * 4)
    return StepResult(torch.tensor(finite), *logits, losses)


def observed(window: StatsWindow) -> StatsWindow:
    window.observe(result(1.0, r1=5.0), heldout=torch.tensor([0.0, 0.5]), images=8, seconds=0.5)
    window.observe(result(3.0), heldout=None, images=8, seconds=1.5)
    return window


def test_means_are_over_the_steps_in_which_something_was_measured() -> None:
    record = observed(StatsWindow(["lecam"])).record()
    assert record["loss_generator"] == 2.0
    assert record["loss_discriminator"] == 4.0
    assert record["r1"] == 5.0
    assert record["lecam"] is None
    assert record["logits_train"] == 1.0
    assert record["logits_heldout"] == 0.25
    assert record["logits_fake"] == -2.0
    assert record["r_t"] == 0.5
    assert record["r_v"] == pytest.approx((1 - 0.25) / (1 + 2))
    assert record["images_per_s"] == 8.0
    assert "r_relative" not in record
    assert observed(StatsWindow(relative=True)).record()["r_relative"] == 1.0


def test_a_skipped_step_costs_time_and_adds_no_figures() -> None:
    window, unspoilt = observed(StatsWindow(["lecam"])), observed(StatsWindow(["lecam"]))
    skipped = result(math.nan, r1=math.inf, finite=False)
    skipped.losses["lecam"] = torch.tensor(1.0)  # and nowhere else
    window.observe(skipped, heldout=torch.tensor([math.nan]), images=8, seconds=1.0)
    window.waited(1.0)
    record = window.record()
    assert record == {**unspoilt.record(), "images_per_s": 6.0}
    state = window.state_dict()
    assert state["counts"] == {"loss_generator": 2, "loss_discriminator": 2, "r1": 1}
    restored = StatsWindow(["lecam"])
    restored.load_state_dict(state)
    assert restored.record() == record


def test_pseudo_images_are_no_training_images() -> None:
    window = StatsWindow(relative=True)
    mixed = replace(result(1.0), is_training=torch.tensor([True, True, True, False]))
    window.observe(mixed, heldout=None, images=4, seconds=1.0)
    record = window.record()
    assert (record["logits_train"], record["r_t"]) == (1.0, pytest.approx(1 / 3))
    assert record["r_relative"] == 1.0


def test_a_new_window_knows_nothing() -> None:
    window = observed(StatsWindow(["lecam"]))
    window.reset()
    assert set(window.record().values()) == {None}


def test_a_restored_window_goes_on_where_it_was() -> None:
    window, restored = observed(StatsWindow()), StatsWindow()
    restored.load_state_dict(window.state_dict())
    for each in (window, restored):
        each.observe(result(8.0, r1=1.0), heldout=None, images=8, seconds=1.0)
    assert restored.record() == window.record()


@pytest.mark.parametrize(
    ("name", "value"),
    [("sums", [1]), ("counts", None), ("images", "8"), ("overfitting", 1), ("seconds", None)],
)
def test_what_is_no_state_is_a_value_error(name: str, value: object) -> None:
    state = observed(StatsWindow()).state_dict() | {name: value}
    with pytest.raises(ValueError, match=name):
        StatsWindow().load_state_dict(state)
