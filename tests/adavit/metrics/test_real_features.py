from collections.abc import Callable

import numpy as np
import pytest
import torch

from adavit.metrics import real_features
from adavit.metrics.distances import kernel_self_mean
from adavit.metrics.real_features import RealFeatures
from tests.references.metrics_features import drawn_features
from tests.references.metrics_neighbours import radius

CPU = torch.device("cpu")


def test_what_is_kept_is_that_of_the_features() -> None:
    features = drawn_features(40, 5, 1)
    side = RealFeatures(features, CPU)
    points = features.double().numpy()
    assert len(side) == 40
    np.testing.assert_allclose(side.statistics.mean, points.mean(axis=0), rtol=1e-12, atol=1e-12)
    covariance = np.cov(points, rowvar=False)
    np.testing.assert_allclose(side.statistics.covariance, covariance, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(side.root @ side.root, covariance, rtol=1e-9, atol=1e-10)
    kernel = (points @ points.T / 5 + 1) ** 3
    mean = (kernel.sum() - np.trace(kernel)) / (40 * 39)
    assert side.self_mean == pytest.approx(mean, rel=1e-10)
    expected = [radius(index, points, 3) ** 2 for index in range(40)]
    np.testing.assert_allclose(side.squared_radii(3), expected, rtol=1e-9)
    assert (side.squared_radii(4) > side.squared_radii(3)).all()


def test_each_figure_of_the_real_side_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("gaussian_statistics", "matrix_root", "kernel_self_mean", "squared_radii"):
        original: Callable[..., object] = getattr(real_features, name)

        def counted(
            *arguments: object, name: str = name, original: Callable[..., object] = original
        ) -> object:
            calls.append(name)
            return original(*arguments)

        monkeypatch.setattr(real_features, name, counted)
    side = RealFeatures(drawn_features(20, 4, 1), CPU)
    for _ in range(3):
        assert side.root.shape == (4, 4)
        assert side.self_mean > 0
        assert len(side.squared_radii(2)) == len(side.squared_radii(5)) == 20
    assert sorted(calls) == [
        "gaussian_statistics",
        "kernel_self_mean",
        "matrix_root",
        "squared_radii",
        "squared_radii",
    ]


@pytest.mark.parametrize("kept", [2, 11, 19])
def test_a_part_is_a_side_of_its_own(kept: int) -> None:
    features = drawn_features(20, 4, 1)
    side = RealFeatures(features, CPU)
    keep = torch.zeros(20, dtype=torch.bool)
    keep[torch.randperm(20, generator=torch.Generator().manual_seed(0))[:kept]] = True
    part = side.kept(keep, with_self_mean=True)
    assert torch.equal(part.features, features[keep])
    assert part.self_mean == pytest.approx(kernel_self_mean(features[keep]), rel=1e-9)
    without = side.kept(keep, with_self_mean=False)
    assert without.self_mean == pytest.approx(part.self_mean, rel=1e-9)
    expected = np.cov(features[keep].double().numpy(), rowvar=False)
    np.testing.assert_allclose(part.statistics.covariance, expected, rtol=1e-9, atol=1e-12)


def test_all_kept_is_the_side_itself_with_what_it_has_computed() -> None:
    side = RealFeatures(drawn_features(9, 4, 1), CPU)
    assert side.kept(torch.ones(9, dtype=torch.bool), with_self_mean=True) is side
