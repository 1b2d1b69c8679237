import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import adavit
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.metrics import RandomFeatures, choose_extractor
from adavit.runs.generator_file import read_generator
from adavit.runtime.console import SilentConsole
from adavit.training.start.workload import load_workload, with_evaluators

SEEN = {"features": {"seen": ["torchvision:resnet18 0123"]}}
INCEPTION = {"metrics": {"extractor": "inception"}}

Tiny = Callable[..., RunConfig]


class Kindred(RandomFeatures):
    """Stands for Inception."""

    name = "inception"
    learned_from = "ImageNet"


class Told(SilentConsole):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(autouse=True)
def inception(monkeypatch: pytest.MonkeyPatch) -> None:
    def choose(requested: str, **arguments: Any) -> Any:
        if requested == "inception":
            return Kindred(), None
        return choose_extractor(requested, **arguments)

    monkeypatch.setattr("adavit.evaluation.scoring.choose_extractor", choose)


def test_networks_related_to_what_was_seen_decide_nothing_and_that_is_said(tiny: Tiny) -> None:
    told = Told()
    workload = with_evaluators(load_workload(tiny(INCEPTION, SEEN), told), told)
    assert [each.names for each in workload.evaluators] == [
        ("fd_random", "kid_random"),
        ("fid", "kid"),
    ]
    assert workload.config.metrics.extractor == ("random", "inception")
    assert told.lines[-1] == (
        "Figures in features of inception are flattered, as the discriminator has seen through a network related to"
        " them: those of random decide which generator is best."
    )


def test_without_such_a_network_all_is_as_it_was_asked_for(tiny: Tiny) -> None:
    told = Told()
    workload = with_evaluators(load_workload(tiny(INCEPTION), told), told)
    assert [each.names for each in workload.evaluators] == [("fid", "kid")]
    assert not any("flattered" in line for line in told.lines)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_images_trained_on_are_scored_against_their_own_data_alone(
    tiny: Tiny, tmp_path: Path, elsewhere: bool
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for index in range(5):
        Image.new("RGB", (16, 16), (50 * index, 0, 0)).save(other / f"{index}.png")
    metrics = {"reference": str(other)} if elsewhere else {}
    config = tiny({"data": {"subset": 10}, "metrics": metrics})
    workload = with_evaluators(load_workload(config, SilentConsole()), SilentConsole())
    (evaluator,) = workload.evaluators
    protocol = evaluator.evaluate_images(workload.image_set.images)["protocol"]
    assert protocol["n_training"] == (None if elsewhere else 10)
    assert protocol["n_floor_reference"] is not None


def test_a_run_on_drawings_says_how_many_kinds_are_recognised(tiny: Tiny, tmp_path: Path) -> None:
    told = Told()
    drawings = {
        "data": {"source": "small_set@4:40", "resolution": 32},
        "metrics": {"extractor": "auto"},
    }
    workload = with_evaluators(load_workload(tiny(drawings), told), told)
    assert workload.config.metrics.extractor == ("drawn",)
    (evaluator,) = workload.evaluators
    assert evaluator.names == ("fd_drawn", "kid_drawn", "recognised", "kinds", "modes")
    record = evaluator.evaluate_images(workload.image_set.images)
    assert record["kinds"] == 10
    assert record["fd_drawn"] == pytest.approx(0, abs=1e-3)
    photographs = {"metrics": {"extractor": "drawn"}}
    with pytest.raises(UserError, match=r"extractor is drawn, but of '.*' it knows nothing"):
        with_evaluators(load_workload(tiny(photographs), told), told)


def test_the_best_generator_and_the_early_end_go_by_the_unseen_network(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([(3.0, 9.0), (2.0, 8.0), (4.0, 7.0), (5.0, 6.0), (6.0, 5.0)])

    def scored(*_: object, **__: object) -> dict[str, Any]:
        random, inception = next(figures)
        beside = {"fid": inception, "kid": inception, "protocol": {}}
        return {"fd_random": random, "kid_random": random, "protocol": {}, "beside": [beside]}

    monkeypatch.setattr("adavit.training.trainer.score_generator", scored)
    metrics = {"every_kimg": 0.016, "patience_kimg": 0.032, "extractor": "random,inception"}
    run = adavit.train(tiny({"metrics": metrics, "training": {"total_kimg": 1}}))
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["images"] for line in lines] == [0, 16, 32, 48]
    assert read_generator(run).images == 16
