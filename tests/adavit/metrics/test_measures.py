import math
import re

import pytest
import torch

from adavit.metrics.distances import frechet_distance, kernel_distance
from adavit.metrics.extractors.extractor import Recognised
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.measures import MEASURES, WITH_REAL_SCORES
from adavit.metrics.names import HIGHER_IS_BETTER, METRICS
from adavit.metrics.real_features import RealFeatures
from benchmarks.house import ROOT
from tests.references.metrics_features import drawn_features

CPU = torch.device("cpu")


class Classifier(RandomFeatures):
    """Features that are logits already, of kinds without attributes but one."""

    kinds = tuple("abcdefghijklmnop")

    def knows(self, *shape: int) -> bool:
        return True

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        return features

    def recognise(self, features: torch.Tensor) -> Recognised:
        return Recognised(features.argmax(dim=1), (features[:, :1] > 0).long())


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


def test_every_measure_is_named_and_finite_at_few_images(extractor: Classifier) -> None:
    fakes, real = drawn_features(30, 16, 1), RealFeatures(drawn_features(30, 16, 2), CPU)
    for name, measure in MEASURES.items():
        assert measure.setting(30, 30)
        figures = measure.figures(fakes, real, extractor)
        assert all(math.isfinite(figure) for figure in figures.values()), name
    assert {*MEASURES, "ppl"} == set(METRICS)
    assert set(HIGHER_IS_BETTER) < set(METRICS)


def test_the_documentation_names_those_that_real_images_are_scored_with() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    sentence = text.partition("Beside each\nof ")[2].partition(", whatever")[0]
    assert re.findall(r"`(\w+)`", sentence) == list(WITH_REAL_SCORES)
