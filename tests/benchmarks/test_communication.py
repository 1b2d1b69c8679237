"""What is counted without content is what a real step tells."""

from pathlib import Path

import pytest
import torch

from adavit.runtime.imagined_world import ImaginedWorld
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step
from adavit.training.step.reduction import Fast, InOrder
from benchmarks.communication import (
    LARGE,
    Kind,
    counted_table,
    extrapolated_table,
    step_seconds,
    told_in_a_step,
)
from tests.adavit.training.test_options import BATCH, SMALL, workload


@pytest.mark.parametrize(("kind", "messages"), [(InOrder, 3), (Fast, 2)])
def test_a_real_step_tells_as_much(kind: Kind, messages: int) -> None:
    load = workload(SMALL, {"training": {"microbatch": 1}})
    tally = ImaginedWorld(2)
    step = build_step(load, reduction=kind(tally))
    step(torch.zeros(BATCH // 2, 3, 8, 8), None, images=0, streams=StepStreams.at(0, 0))
    counted = told_in_a_step(load.config, kind, 2)
    assert (tally.messages, tally.sent) == (counted.messages, counted.sent)
    assert tally.messages == messages
    # Half of the gradients and the sum over half of the numbers; and logits, losses and styles of two slices.
    numbers = sum(
        weight.numel()
        for net in (step.generator, step.discriminator)
        for weight in net.parameters()
    )
    small = 2 * 4 * (1 + 1 + 3 + load.config.generator.style_dim)
    assert tally.sent == pytest.approx(
        4 * numbers + small, abs=8
    )  # one number of padding, at the most


def test_small_slices_take_the_least_time_of_one_and_large_ones_that_of_their_images() -> None:
    assert step_seconds("resnet", 8, 64, 8) == pytest.approx(0.0195)
    assert step_seconds("resnet", 8, 128, 8) == pytest.approx(2 * 0.0195)
    assert step_seconds("resnet", 8, 512, 64) == pytest.approx(64 / 499)


def test_what_each_sends_hardly_grows_with_their_number() -> None:
    config = LARGE[1].config(256, 4)
    eight, many = (told_in_a_step(config, InOrder, size).sent for size in (8, 64))
    assert eight / (7 / 8) == pytest.approx(many / (63 / 64), rel=0.01)


def test_the_pages_have_the_tables_that_are_printed() -> None:
    root = Path(__file__).parents[2]
    page = (root / "benchmarks" / "results" / "communication.md").read_text(encoding="utf-8")
    foreseen = extrapolated_table()
    for table in (counted_table(), foreseen):
        assert "\n".join(table) in page
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in foreseen[2:]]
    several = [(size, slice_, *row) for _, size, _, slice_, _, _, *row in rows if size != "1"]
    shown = (root / "docs" / "several-devices.md").read_text(encoding="utf-8").partition("on paper")
    table = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in shown[2].splitlines()
        if line.startswith("|")
    ]
    assert [(size, slice_, *row) for _, size, slice_, _, _, *row in table[2:]] == several
