from typing import get_args

from adavit.config.run import MetricsConfig
from adavit.evaluation.known_metrics import known_metrics
from adavit.metrics.names import METRICS


def test_every_metric_is_described_by_its_class() -> None:
    found = {metric.name: metric for metric in known_metrics()}
    assert tuple(found) == METRICS
    assert found["fid"].meaning == "Frechet distance, Heusel et al. 2017"
    assert found["ppl"].meaning == "Perceptual path length"
    assert all(metric.meaning for metric in found.values())
    assert len({metric.meaning for metric in found.values()}) == len(METRICS)
    assert [name for name, m in found.items() if m.better == "higher"] == [
        "precision",
        "recall",
        "density",
        "coverage",
        "is",
        "recognised",
        "kinds",
        "modes",
    ]
    alone = [name for name, m in found.items() if not m.real_images]
    assert alone == ["is", "ppl", "recognised", "kinds"]
    assert found["recall"].extractor == "vgg16"


def test_those_of_training_are_those_that_the_setting_takes() -> None:
    (names, _) = get_args(MetricsConfig.model_fields["names"].annotation)
    assert {m.name for m in known_metrics() if m.in_training} == set(get_args(names))
