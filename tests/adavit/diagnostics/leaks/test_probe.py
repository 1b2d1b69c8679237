"""A small network that learns to see one operation."""

import numpy as np
import pytest
import torch

from adavit.diagnostics.leaks import probe
from adavit.diagnostics.leaks.calibration import Parts, calibrate
from adavit.diagnostics.leaks.operations import operations_by_name
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
