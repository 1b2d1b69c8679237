"""Means between two lines of stats.jsonl."""

import math

import pytest
import torch

from adavit.training.step.adversarial_step import StepResult
from adavit.training.window import StatsWindow


def result(loss: float, *, r1: float | None = None, finite: bool = True) -> StepResult:
    losses = {"loss_generator": torch.tensor(loss), "loss_discriminator": torch.tensor(2 * loss)}
    if r1 is not None:
        losses["r1"] = torch.tensor(r1)
    return StepResult(finite, torch.tensor([1.0, -1, 3, 1]), torch.tensor([-2.0] * 4), losses)


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
    window = observed(StatsWindow())
    window.observe(result(math.nan, finite=False), heldout=None, images=8, seconds=2.0)
    record = window.record()
    assert record["loss_generator"] == 2.0
    assert record["images_per_s"] == 6.0


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
