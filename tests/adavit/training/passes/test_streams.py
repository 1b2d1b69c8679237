"""The random streams of a step: a function of seed, purpose and images, whatever else draws."""

import pytest
import torch

from adavit.training.passes.streams import StepStreams, replay


def numbers(stream: torch.Generator, count: int = 4) -> list[float]:
    return torch.rand(count, generator=stream).tolist()


def test_what_one_purpose_draws_never_shifts_another() -> None:
    first, second = StepStreams.at(3, 64), StepStreams.at(3, 64)
    numbers(first.of("style mixing"), 100)
    numbers(first.latents, 100)
    assert numbers(first.of("pseudo images")) == numbers(second.of("pseudo images"))
    assert numbers(first.augmentation) == numbers(second.augmentation)


def test_seed_purpose_and_images_each_make_another_stream() -> None:
    drawn = [
        numbers(StepStreams.at(seed, images).of(purpose))
        for seed, images, purpose in ((3, 64, "a"), (4, 64, "a"), (3, 72, "a"), (3, 64, "b"))
    ]
    assert all(drawn[0] != other for other in drawn[1:])
    assert drawn[0] == numbers(StepStreams.at(3, 64).of("a"))


def test_the_same_purpose_twice_continues_its_stream() -> None:
    streams, whole = StepStreams.at(0, 0), numbers(StepStreams.at(0, 0).of("a"), 8)
    assert numbers(streams.of("a")) + numbers(streams.of("a")) == whole


def test_a_replay_draws_again_and_leaves_the_stream_where_it_is() -> None:
    stream = torch.Generator().manual_seed(5)
    numbers(stream)
    state = stream.get_state()
    drawn = numbers(stream)
    assert numbers(replay(stream, state)) == drawn
    following = numbers(stream)
    again = replay(stream, state)
    assert numbers(again, 8) == drawn + following


def test_streams_made_by_hand_have_no_other_purposes() -> None:
    streams = StepStreams(torch.Generator(), torch.Generator())
    with pytest.raises(LookupError, match=r"none for 'noise', expected those of StepStreams\.at"):
        streams.of("noise")
    with pytest.raises(LookupError, match=r"none for 'slice 2', expected those of StepStreams\.at"):
        streams.of_slice(2)


def test_each_slice_draws_for_itself_whoever_asks_for_it() -> None:
    streams = StepStreams.at(3, 64)
    numbers(streams.latents)
    drawn = [numbers(streams.of_slice(number).latents) for number in range(4)]
    assert len({tuple(each) for each in drawn}) == 4
    assert drawn[0] == numbers(StepStreams.at(3, 64).latents)
    assert drawn[2] == numbers(StepStreams.at(3, 64, slice_number=2).of("latents"))
    assert drawn[2] == numbers(streams.of_slice(1).of_slice(2).latents)
    assert drawn[2] != numbers(streams.of_slice(2).of("style mixing"))


def test_a_twin_draws_what_they_would_draw_now() -> None:
    streams, expected = StepStreams.at(0, 0), StepStreams.at(0, 0)
    for each in (streams, expected):
        numbers(each.latents)
        numbers(each.of("a"))
    twin = streams.twin()
    for purpose in ("latents", "augmentation", "a", "a", "b"):
        assert numbers(twin.of(purpose)) == numbers(expected.of(purpose))
    ahead = numbers(streams.twin().of("a"))
    assert numbers(streams.of("a")) == ahead
