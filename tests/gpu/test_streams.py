"""Random streams of the device."""

import pytest
import torch

from adavit.runtime.randomness import generator_for
from adavit.training.passes.streams import StepStreams, replay
from tests.gpu.steps import BATCH, RATE, SIDE, start

pytestmark = pytest.mark.gpu


def test_a_stream_is_a_function_of_seed_purpose_and_number(device: torch.device) -> None:
    def drawn(*key: object) -> torch.Tensor:
        stream = generator_for(*key, device)  # type: ignore[arg-type]
        assert stream.device.type == device.type
        return torch.randn(100, generator=stream, device=stream.device)

    assert torch.equal(drawn(0, "latents", 8), drawn(0, "latents", 8))
    for key in ((1, "latents", 8), (0, "noise", 8), (0, "latents", 16)):
        assert not torch.equal(drawn(*key), drawn(0, "latents", 8))


def test_a_stream_is_replayed_from_a_state(device: torch.device) -> None:
    stream = generator_for(0, "latents", 0, device)
    torch.rand(33, generator=stream, device=stream.device)
    state = stream.get_state()
    expected = [
        torch.randn(3, 7, generator=stream, device=stream.device),
        torch.rand(5, generator=stream, device=stream.device),
    ]
    again = replay(stream, state)
    found = [
        torch.randn(3, 7, generator=again, device=again.device),
        torch.rand(5, generator=again, device=again.device),
    ]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    after = torch.rand(9, generator=stream, device=stream.device)
    assert torch.equal(torch.rand(9, generator=again, device=again.device), after)


def test_a_step_draws_from_its_streams_alone(device: torch.device) -> None:
    """Whatever a program draws besides, and the step leaves that as it was."""

    def weights(seed: int) -> torch.Tensor:
        _, step = start(device)
        torch.manual_seed(seed)
        before = torch.rand(4, device=device)
        torch.manual_seed(seed)
        real = torch.linspace(-1, 1, BATCH * 3 * SIDE * SIDE).view(BATCH, 3, SIDE, SIDE)
        assert step(real.to(device), None, images=0, streams=StepStreams.at(0, 0, device)).finite
        assert torch.equal(torch.rand(4, device=device), before)
        return torch.cat([p.detach().flatten() for p in step.generator.parameters()])

    first, second = weights(1), weights(2)
    moved = RATE * first.numel() ** 0.5  # Adam's first step is as long as the rate in every weight
    assert float((first - second).norm()) <= 0.1 * moved
