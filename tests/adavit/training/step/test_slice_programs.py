"""Programs by the kind of step; what they compute is in the tests of those who make them."""

import gc
import weakref

import pytest
import torch

from adavit.training.passes.streams import StepStreams
from adavit.training.step.slice_programs import fill, taken, without_gradients
from tests.adavit.training.small_step import COUNT, make_step, reals, run
from tests.adavit.training.step.test_captured_slices import Redone, recorded


def test_smaller_slices_have_programs_of_their_own_and_those_of_larger_ones_are_forgotten() -> None:
    graphs = Redone()
    step = make_step(computation=recorded(graphs))
    run(step)
    first = weakref.ref(next(iter(step.compute._programs.values())))  # type: ignore[attr-defined]
    run(step, images=COUNT)
    assert graphs.count == 1
    step.microbatch = COUNT // 2
    run(step, images=2 * COUNT)
    gc.collect()
    assert graphs.count == 2
    assert first() is None


def test_gradients_of_making_a_program_are_dropped_whatever_happens() -> None:
    with_one, without = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    with_one.grad = torch.ones(2)

    @without_gradients([with_one, without])
    def fail() -> None:
        assert with_one.grad is None
        with_one.grad = without.grad = torch.full((2,), 5.0)
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        fail()
    assert with_one.grad.tolist() == [1, 1]
    assert without.grad is None


def test_gradients_of_slices_add_up_beside_the_sums_of_each() -> None:
    step = make_step()
    terms = step.terms(0, step.slices(COUNT))
    of_slice = step.compute(reals(), None, StepStreams.at(0, 0), terms)
    parameter = torch.nn.Parameter(torch.zeros(3))
    for _ in range(2):
        found = taken([*of_slice.tensors, torch.ones(3)], [parameter], of_slice)
    assert parameter.grad is not None
    assert parameter.grad.tolist() == [2, 2, 2]
    assert found.losses.keys() == of_slice.losses.keys()


def test_numbers_are_filled_from_the_host_and_from_the_device() -> None:
    places = [torch.empty(()), torch.empty(())]
    fill(places, [0.5, torch.tensor(2.0)])
    assert [place.item() for place in places] == [0.5, 2.0]
