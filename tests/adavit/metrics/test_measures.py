import math

import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from adavit.errors import UserError
from adavit.metrics.distances import frechet_distance, kernel_distance
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.inception_score import InceptionScore, classifying
from adavit.metrics.measures import MEASURES
from adavit.metrics.names import HIGHER_IS_BETTER, METRICS, check_names, metric_of, recorded_name
from adavit.metrics.real_features import RealFeatures
from adavit.metrics.subsets import FidInfinity, KidSubsets, intercept
from tests.references.metrics_features import drawn_features

CPU = torch.device("cpu")


class Classifier(RandomFeatures):
    """Features that are logits already."""

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        return features


@pytest.fixture(scope="module")
def extractor() -> Classifier:
    return Classifier()


def test_fid_and_kid_are_the_distances_however_often_they_are_asked(extractor: Classifier) -> None:
    fakes, real = drawn_features(90, 16, 1), RealFeatures(drawn_features(70, 16, 2), CPU)
    for _ in range(2):
        fid = MEASURES["fid"].figures(fakes, real, extractor)[""]
        kid = MEASURES["kid"].figures(fakes, real, extractor)[""]
        assert fid == frechet_distance(real.features, fakes)
        assert kid == kernel_distance(fakes, real.features)


@pytest.mark.parametrize(("fakes", "reals", "size"), [(150, 120, 120), (1100, 1050, 1000)])
def test_kid_over_subsets_equals_torch_fidelity(
    fakes: int, reals: int, size: int, extractor: Classifier
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


def test_a_subset_of_all_images_is_the_full_sample_form(extractor: Classifier) -> None:
    a, b = drawn_features(80, 16, 1), drawn_features(80, 16, 2)
    found = KidSubsets(subsets=2).figures(a, RealFeatures(b, CPU), extractor)
    assert found[""] == pytest.approx(kernel_distance(a, b), rel=1e-9)


def test_the_inception_score_of_certain_and_even_classes_is_their_number(
    extractor: Classifier,
) -> None:
    certain = torch.eye(7).repeat(10 * 7, 1) * 1000
    figures = InceptionScore(splits=1).figures(certain, RealFeatures(certain, CPU), extractor)
    assert figures == {"": pytest.approx(7), "_std": 0}
    unsure = torch.zeros(50, 7)
    assert InceptionScore().figures(unsure, RealFeatures(unsure, CPU), extractor)[
        ""
    ] == pytest.approx(1)


def test_the_inception_score_equals_torch_fidelity(extractor: Classifier) -> None:
    logits = 5 * drawn_features(103, 12, 1)
    expected = isc_features_to_metric(logits, splits=10, rng_seed=2020)
    figures = InceptionScore().figures(logits, RealFeatures(logits, CPU), extractor)
    assert figures[""] == pytest.approx(expected["inception_score_mean"], rel=1e-6)
    assert figures["_std"] == pytest.approx(expected["inception_score_std"], rel=1e-6)


def test_the_inception_score_needs_classes_and_ten_images() -> None:
    with pytest.raises(UserError, match="'is', but extractor random has no classes"):
        classifying(RandomFeatures())
    with pytest.raises(UserError, match="9 generated images, but 'is' needs at least 10"):
        InceptionScore().setting(9, 50)


def test_the_intercept_is_that_of_the_line() -> None:
    x = [0.1, 0.2, 0.4, 0.9]
    assert intercept(x, [3 + 7 * value for value in x]) == pytest.approx(3, rel=1e-12)


def test_fid_infinity_takes_most_of_the_bias_away(extractor: Classifier) -> None:
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
    with pytest.raises(UserError, match="29 generated images, but fid_infinity needs at least 30"):
        FidInfinity().setting(29, 50)
    assert FidInfinity().setting(50_000, 50) == "15 subsets of 5000 to 50000"
    assert FidInfinity().setting(30, 50) == "15 subsets of 3 to 30"


def test_every_measure_is_named_and_finite_at_few_images(extractor: Classifier) -> None:
    fakes, real = drawn_features(30, 16, 1), RealFeatures(drawn_features(30, 16, 2), CPU)
    for name, measure in MEASURES.items():
        assert measure.setting(30, 30)
        figures = measure.figures(fakes, real, extractor)
        assert all(math.isfinite(figure) for figure in figures.values()), name
    assert {*MEASURES, "ppl"} == set(METRICS)
    assert set(HIGHER_IS_BETTER) < set(METRICS)


@pytest.mark.parametrize(
    ("metric", "extractor_name", "recorded"),
    [
        ("fid", "inception", "fid"),
        ("fid", "vgg16", "fd_vgg16"),
        ("fid_infinity", "random", "fd_infinity_random"),
        ("kid_subsets", "dinov2-vit-l-14", "kid_subsets_dinov2-vit-l-14"),
        ("precision", "vgg16", "precision"),
        ("precision", "inception", "precision_inception"),
        ("coverage", "torchvision-resnet50", "coverage_torchvision-resnet50"),
        ("ppl", "lpips-vgg16", "ppl"),
        ("ppl", "random", "ppl_random"),
    ],
)
def test_a_plain_name_belongs_to_the_reference_extractor_alone(
    metric: str, extractor_name: str, recorded: str
) -> None:
    assert recorded_name(metric, extractor_name) == recorded
    assert metric_of(recorded) == metric


@pytest.mark.parametrize(
    "name",
    [
        "images",
        "seconds",
        "protocol",
        "fid_floor",
        "kid_random_at_floor",
        "fd_random_halves",
        "kid_subsets_random_std",
        "is_std",
        "fido",
        "fd",
    ],
)
def test_other_keys_of_a_record_are_no_metrics(name: str) -> None:
    assert metric_of(name) is None


@pytest.mark.parametrize(
    ("names", "message"),
    [(["fdi"], "Did you mean fid"), ([], "name each metric once"), (["is", "is"], "'is,is'")],
)
def test_unknown_and_repeated_names_are_an_error(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_names(names)
