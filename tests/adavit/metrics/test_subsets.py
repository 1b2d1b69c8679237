import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from adavit.metrics.distances import TooFewImagesError, frechet_distance, kernel_distance
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.measures import MEASURES
from adavit.metrics.real_features import RealFeatures
from adavit.metrics.subsets import FidInfinity, KidSubsets, intercept
from tests.references.metrics_features import drawn_features

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extractor() -> RandomFeatures:
    return RandomFeatures()


@pytest.mark.parametrize(("fakes", "reals", "size"), [(150, 120, 120), (1100, 1050, 1000)])
def test_kid_over_subsets_equals_torch_fidelity(
    fakes: int, reals: int, size: int, extractor: RandomFeatures
) -> None:
    a, b = drawn_features(fakes, 16, 1), drawn_features(reals, 16, 2)
    found = KidSubsets(subsets=3).figures(a, RealFeatures(b, CPU), extractor)
    expected = kid_features_to_metric(
        a.double(), b.double(), kid_subsets=3, kid_subset_size=size, verbose=False
    )
    assert found[""] == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-12)
    assert found["_std"] == pytest.approx(expected["kernel_inception_distance_std"], rel=1e-9)
    assert found["_std"] > 0
    assert KidSubsets().setting(fakes, reals) == f"unbiased, 100 subsets of {size}"


def test_a_subset_of_all_images_is_the_full_sample_form(extractor: RandomFeatures) -> None:
    a, b = drawn_features(80, 16, 1), drawn_features(80, 16, 2)
    found = KidSubsets(subsets=2).figures(a, RealFeatures(b, CPU), extractor)
    assert found == {"": pytest.approx(kernel_distance(a, b), rel=1e-9)}


@pytest.mark.parametrize(("fakes", "reals"), [(80, 81), (81, 80), (1001, 1001)])
def test_subsets_that_differ_have_a_spread(
    fakes: int, reals: int, extractor: RandomFeatures
) -> None:
    a, b = drawn_features(fakes, 4, 1), drawn_features(reals, 4, 2)
    found = KidSubsets(subsets=2).figures(a, RealFeatures(b, CPU), extractor)
    assert found["_std"] > 1e-9


def test_the_intercept_is_that_of_the_line() -> None:
    x = [0.1, 0.2, 0.4, 0.9]
    assert intercept(x, [3 + 7 * value for value in x]) == pytest.approx(3, rel=1e-12)


def test_fid_infinity_takes_most_of_the_bias_away(extractor: RandomFeatures) -> None:
    # Two standard normal sets: the true distance is 0, all that FID shows is bias.
    generator = torch.Generator().manual_seed(0)
    reals = torch.randn(20_000, 16, generator=generator)
    fakes = torch.randn(1_000, 16, generator=generator)
    real = RealFeatures(reals, CPU)
    fid = MEASURES["fid"].figures(fakes, real, extractor)[""]
    found = FidInfinity().figures(fakes, real, extractor)[""]
    assert fid > 0.05
    assert abs(found) < fid / 4
    assert found == FidInfinity().figures(fakes, real, extractor)[""]


def test_fid_infinity_needs_room_for_its_subsets() -> None:
    with pytest.raises(
        TooFewImagesError, match="29 generated images, but fid_infinity needs at least 30"
    ):
        FidInfinity().setting(29, 50)
    assert FidInfinity().setting(50_000, 50) == "15 subsets of 5000 to 50000"
    assert FidInfinity().setting(30, 50) == "15 subsets of 3 to 30"


def test_fid_infinity_is_the_line_through_the_distances_of_its_draws(
    extractor: RandomFeatures,
) -> None:
    """Written out: 15 evenly spaced sizes from a tenth of the images, drawn in turn by one generator."""
    fakes, reals = drawn_features(150, 6, 1), drawn_features(90, 6, 2)
    generator = torch.Generator().manual_seed(0)
    sizes = [round(15 + index * (150 - 15) / 14) for index in range(15)]
    distances = [
        frechet_distance(reals, fakes[torch.randperm(150, generator=generator)[:size]])
        for size in sizes
    ]
    expected = np.polyfit([1 / size for size in sizes], distances, 1)[1]
    found = FidInfinity().figures(fakes, RealFeatures(reals, CPU), extractor)
    assert found[""] == pytest.approx(expected, rel=1e-6)
