"""What is drawn in a step, drawn again for another one outside of it."""

import contextlib
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from adavit.training.passes.streams import StepStreams, replay
from adavit.training.step.recorded_draws import DrawRecorder


def drawn(streams: StepStreams) -> list[Tensor]:
    """Of several streams in turn, some of it twice: once more, and from where a stream was."""
    state = streams.latents.get_state()
    found = [torch.randn(2, 3, generator=streams.latents)]
    found.append(torch.rand((4,), generator=streams.of("order"), dtype=torch.float64))
    found.append(torch.rand(5, generator=streams.latents, device="cpu"))
    found.append(torch.randint(1, 9, (3,), generator=streams.augmentation))
    middle = streams.of("order").get_state()
    found.append(torch.randn(2, generator=streams.of("order")))
    again = replay(streams.latents, state)
    found += [torch.randn(2, 3, generator=again), torch.rand(5, generator=again, device="cpu")]
    return [*found, torch.randn(2, generator=replay(streams.of("order"), middle))]


def recorded(draw: Callable[[StepStreams], object]) -> tuple[DrawRecorder, object]:
    recorder = DrawRecorder(StepStreams.at(0, 0), contextlib.nullcontext)
    with recorder:
        return recorder, draw(recorder.streams)


def test_a_step_draws_what_it_draws_unrecorded() -> None:
    recorder, found = recorded(drawn)
    for one, other in zip(found, drawn(StepStreams.at(0, 0)), strict=True):
        assert torch.equal(one, other)
    assert all(any(tensor is seen for seen in recorder.tensors) for tensor in found)


def test_another_step_is_drawn_in_the_same_way() -> None:
    recorder, found = recorded(drawn)
    streams, expected = StepStreams.at(7, 64), drawn(StepStreams.at(7, 64))
    again = [draw.again(streams) for draw in recorder.draws]
    assert len(again) == 5  # what is drawn of a stream that was set back is there already
    places = [next(i for i, t in enumerate(recorder.tensors) if t is one) for one in found]
    for place, other in zip(places, expected, strict=True):
        assert torch.equal(again[place], other)


def test_other_generators_are_refused() -> None:
    with pytest.raises(LookupError, match="none of the step's streams"):
        recorded(lambda _: torch.randn(2, generator=torch.Generator()))


def test_a_stream_that_is_set_back_draws_the_same() -> None:
    def otherwise(streams: StepStreams) -> None:
        state = streams.latents.get_state()
        torch.randn(2, generator=streams.latents)
        torch.randn(3, generator=replay(streams.latents, state))

    with pytest.raises(LookupError, match="other numbers than before"):
        recorded(otherwise)
