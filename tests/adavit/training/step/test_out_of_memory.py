"""A step that finds no room."""

import weakref

import pytest
import torch

from adavit.training.objectives.gradient_penalties import ExactPenalty
from adavit.training.objectives.path_length import PathLengthPenalty
from adavit.training.passes.streams import StepStreams
from adavit.training.step import slice_pass
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.out_of_memory import StepOutOfMemory, with_room
from tests.adavit.training.small_step import make_step, reals, run


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (MemoryError, ""),
        (torch.OutOfMemoryError, "CUDA out of memory. Tried to allocate 2 MiB"),
        (RuntimeError, "[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        (SystemError, "error return without exception set"),
    ],
)
def test_what_was_held_is_free_when_it_is_told(kind: type[Exception], text: str) -> None:
    watched = []

    def compute() -> None:
        held = torch.zeros(3)
        circle: list[object] = [held]
        circle.append(circle)
        watched.append(weakref.ref(held))
        raise kind(text)

    with pytest.raises(StepOutOfMemory) as caught:
        with_room(compute)
    assert caught.value.__context__ is None
    assert watched[0]() is None


def test_other_errors_are_passed_on() -> None:
    def compute() -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        with_room(compute)


def parts() -> AdversarialStep:
    return make_step(
        ExactPenalty("r1", "real", 1.0, 1), PathLengthPenalty(2.0, 1, 0.01), microbatch=2
    )


def test_a_failed_step_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    failing, calm = parts(), parts()
    for step in (failing, calm):
        run(step)
    calls, compute = [], slice_pass.SlicePass.__call__

    def runs_out(self: slice_pass.SlicePass, *arguments: object) -> object:
        calls.append(arguments)
        sums = compute(self, *arguments)  # type: ignore[arg-type]
        if len(calls) == 2:  # gradients of one slice are summed, those of another are there
            raise MemoryError
        return sums

    with monkeypatch.context() as patch:
        patch.setattr(slice_pass.SlicePass, "__call__", runs_out)
        with pytest.raises(StepOutOfMemory):
            failing(reals(), None, images=6, streams=StepStreams.at(0, 6))
    networks = (failing.generator, failing.judges)
    assert all(weight.grad is None for network in networks for weight in network.parameters())
    for step in (failing, calm):
        run(step, images=6)
    found, expected = failing.stateful_parts(), calm.stateful_parts()
    assert found.keys() == expected.keys()
    for name, part in found.items():
        torch.testing.assert_close(part.state_dict(), expected[name].state_dict(), rtol=0, atol=0)
