from pathlib import Path

import numpy as np
import pytest
import torch

import benchmarks.house
from adavit.curation.expectation import MEASURED, floor_of
from adavit.metrics import RandomFeatures, frechet_distance
from tests.adavit.curation.conftest import blobs


def test_the_floor_is_the_distance_of_two_halves() -> None:
    images = blobs(20, side=16)
    found = floor_of(images, range(20))
    assert found is not None
    assert found.half == 10
    features = RandomFeatures()(torch.from_numpy(images))
    # As of any two halves: of the order of other ones, and the same again.
    other = frechet_distance(features[:10], features[10:])
    assert found.fd_random == pytest.approx(other, rel=0.5)
    assert floor_of(images, range(20)) == found
    assert floor_of(images, range(7)) is None


def test_larger_samples_of_real_images_score_below_it() -> None:
    images = blobs(200, side=16)
    found = floor_of(images, range(40))
    assert found is not None
    features = RandomFeatures()(torch.from_numpy(images))
    assert frechet_distance(features[40:], features[:40]) < 0.8 * found.fd_random


def test_a_copy_in_the_other_half_would_lower_it() -> None:
    images = blobs(20, side=16)
    doubled = np.concatenate([images, images])
    once = floor_of(doubled, range(20))
    twice = floor_of(doubled, range(40))
    assert once is not None
    assert twice is not None
    assert twice.fd_random < once.fd_random


def test_what_was_measured_stands_in_the_tables() -> None:
    assert "benchmarks/results/feature_critic.md" in MEASURED
    table = Path(benchmarks.house.ROOT / "benchmarks/results/feature_critic.md").read_text()
    for figure in ("10.3", "11.0", "19.5", "24.0"):
        assert figure in MEASURED
        assert figure in table
