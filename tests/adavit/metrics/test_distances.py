import math

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from adavit.errors import RunError, UserError
from adavit.metrics import distances
from adavit.metrics.distances import (
    frechet_distance,
    gaussian_statistics,
    kernel_distance,
    kernel_self_mean,
    kernel_self_mean_of_rest,
)
from tests.references.metrics_distances import (
    frechet_distance_by_matrix_root,
    kernel_distance_by_loops,
)
from tests.references.metrics_features import drawn_features


def whitened(count: int, width: int, seed: int) -> torch.Tensor:
    """Features [count, width], float64, of mean exactly 0 and covariance exactly the identity."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, width, generator=generator, dtype=torch.float64)
    drawn -= drawn.mean(dim=0)
    return torch.linalg.qr(drawn).Q * math.sqrt(count - 1)


def test_frechet_distance_of_known_gaussians_is_the_closed_form() -> None:
    scale_a = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.5], dtype=torch.float64)
    scale_b = torch.tensor([2.0, 2.0, 1.0, 0.1, 1.0], dtype=torch.float64)
    offset = torch.tensor([0.0, 1.0, -2.0, 0.5, 0.0], dtype=torch.float64)
    distance = frechet_distance(whitened(50, 5, 0) * scale_a, whitened(70, 5, 1) * scale_b + offset)
    expected = float(offset.square().sum() + (scale_a - scale_b).square().sum())
    assert distance == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_does_not_change_under_a_common_rotation() -> None:
    a, b = drawn_features(80, 7, 1).double(), drawn_features(90, 7, 2).double()
    rotation = torch.linalg.qr(drawn_features(7, 7, 3).double()).Q
    assert frechet_distance(a @ rotation, b @ rotation) == pytest.approx(frechet_distance(a, b))


@pytest.mark.parametrize(("count_a", "count_b"), [(500, 400), (400, 61)])
def test_frechet_distance_equals_the_matrix_root_at_full_rank(count_a: int, count_b: int) -> None:
    a, b = drawn_features(count_a, 37, 1), drawn_features(count_b, 37, 2)
    expected = frechet_distance_by_matrix_root(a.numpy(), b.numpy())
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("count_a", "count_b", "tolerance"), [(500, 400, 1e-6), (300, 40, 1e-4), (30, 40, 1e-4)]
)
def test_frechet_distance_equals_torch_fidelity(
    count_a: int, count_b: int, tolerance: float
) -> None:
    # 64 features: the second and third cases are rank-deficient, where both sides round.
    a, b = drawn_features(count_a, 64, 1), drawn_features(count_b, 64, 2)
    statistics = [fid_features_to_statistics(side.double()) for side in (a, b)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(a, b) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("count", [10, 400])
def test_frechet_distance_to_itself_is_zero_and_never_negative(count: int) -> None:
    features = drawn_features(count, 64, 1)
    distance = frechet_distance(features, features)
    assert 0 <= distance < 1e-5 * float(features.double().T.cov().trace())


def test_frechet_distance_is_symmetric_and_leaves_its_inputs_alone() -> None:
    a, b = drawn_features(30, 11, 1), drawn_features(50, 11, 2)
    copies = a.clone(), b.clone()
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    kernel_distance(a, b)
    assert torch.equal(a, copies[0])
    assert torch.equal(b, copies[1])


def test_statistics_in_blocks_equal_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "BLOCK_ROWS", 3)
    features = drawn_features(101, 5, 1)
    statistics = gaussian_statistics(features)
    expected = np.cov(features.double().numpy(), rowvar=False)
    np.testing.assert_allclose(statistics.covariance.numpy(), expected, rtol=1e-12, atol=1e-15)
    assert statistics.mean.dtype == torch.float64
    assert statistics.count == 101


def test_kernel_distance_equals_the_double_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = drawn_features(13, 5, 1), drawn_features(17, 5, 2)
    expected = kernel_distance_by_loops(a.numpy(), b.numpy())
    assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-11)
    for rows in (1, 4, 13, 16):
        monkeypatch.setattr(distances, "BLOCK_ROWS", rows)
        assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-11)


def test_kernel_distance_equals_torch_fidelity_with_one_subset_of_all_images() -> None:
    a, b = drawn_features(200, 64, 1).double(), drawn_features(200, 64, 2).double()
    expected = kid_features_to_metric(a, b, kid_subsets=1, kid_subset_size=200, verbose=False)
    assert kernel_distance(a, b) == pytest.approx(expected["kernel_inception_distance_mean"])


def test_kernel_distance_is_unbiased_at_few_images() -> None:
    features = drawn_features(4000, 8, 1)
    halves = [kernel_distance(*part.chunk(2)) for part in features.split(20)]
    mean, error = np.mean(halves), np.std(halves) / math.sqrt(len(halves))
    assert abs(mean) < 3 * error
    assert min(halves) < 0  # an estimate that never was negative would be biased


@pytest.mark.parametrize("removed", [0, 1, 7, 40])
def test_mean_kernel_of_the_rest_equals_the_direct_one(removed: int) -> None:
    features = drawn_features(60, 9, 1)
    keep = torch.arange(60) >= removed
    of_rest = kernel_self_mean_of_rest(features, keep, kernel_self_mean(features))
    assert of_rest == pytest.approx(kernel_self_mean(features[keep]), rel=1e-12)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_an_error(distance, count: int) -> None:  # type: ignore[no-untyped-def]
    features = drawn_features(5, 3, 1)
    with pytest.raises(UserError, match=f"there are {count} images.*at least 2.*Give more images"):
        distance(features[:count], features)
    with pytest.raises(UserError, match=f"there are {count} images"):
        distance(features, features[:count])


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_features_that_are_not_finite_are_an_error(distance, value: float) -> None:  # type: ignore[no-untyped-def]
    features, broken = drawn_features(5, 3, 1), drawn_features(5, 3, 1)
    broken[2, 1] = value
    with pytest.raises(RunError, match="1 of 5 images have features that are not finite"):
        distance(broken, features)
    with pytest.raises(RunError, match="not finite"):
        distance(features, broken)
