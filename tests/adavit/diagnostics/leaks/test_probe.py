"""A small network that learns to see one operation."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from adavit.diagnostics.leaks import probe
from adavit.diagnostics.leaks.calibration import Parts, calibrate
from adavit.diagnostics.leaks.operations import operations_by_name
from adavit.runtime.randomness import generator_for
from adavit.runtime.resolution import Resolution
from tests.adavit.diagnostics.conftest import random_images

CPU = torch.device("cpu")


def half_dark(count: int, seed: int) -> torch.Tensor:
    """Grey noise whose left half is dark: a mirror is plain to see."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(100, 200, (count, 1, 8, 8), generator=generator)
    images[..., :4] -= 100
    return images.to(torch.uint8)


@pytest.mark.parametrize("shape", [(4, 4), (24, 40), (48, 32)])
def test_it_looks_at_images_of_any_shape_down_to_their_smallest_grid(
    shape: tuple[int, int],
) -> None:
    resolution = Resolution(*shape)
    network = probe.ProbeNetwork(resolution).eval()
    images = torch.randn(2, 3, *resolution)
    assert network.body(images).shape[2:] == resolution.smallest
    assert network(images).shape == (2,)
    alarms = probe.Probe(network, CPU).alarms
    assert alarms(torch.zeros(3, 1, *resolution, dtype=torch.uint8)).shape == (3,)
    assert alarms(torch.zeros(0, 1, *resolution, dtype=torch.uint8)).shape == (0,)


def test_the_same_seed_gives_the_same_probe_and_no_global_number_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "STEPS", 5)
    operation = operations_by_name(["brightness"])[0]
    parts = Parts(*(random_images(30, seed) for seed in (1, 2, 3)))
    before = torch.random.get_rng_state()
    first, again, other = (calibrate(operation, parts, seed=seed, device=CPU) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first is not None
    assert again is not None
    assert other is not None
    np.testing.assert_array_equal(first.confusion.hits, again.confusion.hits)
    assert not np.array_equal(first.confusion.hits, other.confusion.hits)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[torch.Tensor], Any]:
    """Trains a probe of mirrors: weights and loss at each look at the validation images, then the weights kept."""
    monkeypatch.setattr(probe, "STEPS", 40)
    monkeypatch.setattr(probe, "CHECK_EVERY", 10)
    loss = probe._loss

    def train(images: torch.Tensor) -> Any:
        states, losses = [], []

        def look(network: torch.nn.Module, *arguments: Any) -> float:
            states.append(copy.deepcopy(network.state_dict()))
            losses.append(loss(network, *arguments))
            return losses[-1]

        monkeypatch.setattr(probe, "_loss", look)
        found = probe.train_probe(operations_by_name(["xflip"])[0], images, seed=0, device=CPU)
        return states, losses, found._network.state_dict()

    return train


def test_the_weights_with_the_lowest_validation_loss_are_kept(
    looked_at: Callable[[torch.Tensor], Any],
) -> None:
    # Nothing tells a mirrored pattern from another one: what is learnt of ten is wrong of the rest.
    states, losses, kept = looked_at(random_images(12, seed=1))
    assert losses[-1] > min(losses) + 0.1
    torch.testing.assert_close(kept, states[losses.index(min(losses))], rtol=0, atol=0)


def test_the_last_weights_are_kept_where_no_validation_image_can_change(
    looked_at: Callable[[torch.Tensor], Any],
) -> None:
    images = random_images(3, seed=1)
    (aside, *_) = torch.randperm(3, generator=generator_for(0, "probe of xflip", 0)).tolist()
    images[aside] = 200
    states, losses, kept = looked_at(images)
    assert losses == [0.0] * 4
    torch.testing.assert_close(kept, states[-1], rtol=0, atol=0)
    assert not torch.equal(kept["head.1.weight"], states[0]["head.1.weight"])
