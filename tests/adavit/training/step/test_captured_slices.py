"""Recorded slices, on a CPU, where work is done anew instead; on CUDA see `tests/gpu/test_graphs.py`."""

import contextlib
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from adavit.runtime.device_graphs import Work
from adavit.training.step.captured_slices import CapturedSlice
from adavit.training.step.slice_pass import SlicePass
from adavit.training.step.slice_programs import SlicePrograms
from tests.adavit.training.small_step import COUNT, make_step, run
from tests.adavit.training.step.test_compiled_slices import (
    check_numbers_move,
    check_slices_add_up,
)
from tests.adavit.training.test_compile import PARTS, check_equal


class Redone:
    """What `Graphs` promises, without a device that records: the same places are filled by doing the work again."""

    def __init__(self) -> None:
        self.count = 0

    def aside(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def record(self, work: Work) -> tuple[Callable[[], None], list[Tensor]]:
        self.count += 1
        places = [tensor.clone() for tensor in work()]
        for place in places:  # nothing has been computed yet
            place.zero_()

        @torch.no_grad()
        def replay() -> None:
            with torch.enable_grad():
                tensors = work()
            for place, tensor in zip(places, tensors, strict=True):
                place.copy_(tensor)

        return replay, places


def recorded(graphs: Redone) -> Callable[[SlicePass], SlicePrograms]:
    return lambda written: SlicePrograms(written, partial(CapturedSlice.of, graphs=graphs))


@pytest.mark.parametrize("name", PARTS)
def test_what_is_recorded_of_a_step_is_the_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adavit.training.start.build.compiled_slices", recorded(Redone()))
    check_equal(*PARTS[name], tolerance=0, classes=3 if name == "plain" else 0)


def test_a_kind_is_recorded_once_and_slices_add_up() -> None:
    graphs = Redone()
    check_slices_add_up(recorded(graphs))
    assert graphs.count == 1


def test_numbers_that_move_are_read_anew() -> None:
    graphs = Redone()
    check_numbers_move(recorded(graphs))
    assert graphs.count == 1


def test_what_a_slice_left_outlives_the_next_one() -> None:
    step = make_step(computation=recorded(Redone()))
    first = run(step, images=0)
    before = {name: loss.clone() for name, loss in first.losses.items()}
    logits = first.train_logits.clone()
    run(step, images=COUNT)
    assert torch.equal(first.train_logits, logits)
    assert all(torch.equal(loss, before[name]) for name, loss in first.losses.items())
