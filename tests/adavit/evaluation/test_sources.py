from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from adavit.errors import UserError
from adavit.evaluation.evaluate import evaluate
from adavit.evaluation.sources import (
    GeneratorSource,
    ImageSource,
    config_of,
    is_run_or_generator,
    open_source,
)
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.generator_file import read_generator
from adavit.runs.reading import TENSORS


def test_a_run_is_its_generator_with_the_settings_it_was_made_under(run: Path) -> None:
    found = open_source(str(run), "SOURCE")
    assert isinstance(found, GeneratorSource)
    assert found.config.data.subset == 20
    assert found.run is not None
    assert found.run.evaluations == run / "evaluations.jsonl"
    stored = read_generator(run)
    assert found.describe() == {
        "kind": "run",
        "name": "run",
        "generator": "generator-best.safetensors",
        "fingerprint": tensors_digest(stored.generator.state_dict()),
        "trained_on": stored.data_fingerprint,
    }
    with safe_open(run / "generator-best.safetensors", framework="pt") as file:
        assert file.metadata()[TENSORS] == found.describe()["fingerprint"]


def test_a_generator_file_is_one_without_a_run(run: Path) -> None:
    found = open_source(str(run / "generator-best.safetensors"), "SOURCE")
    assert isinstance(found, GeneratorSource)
    assert found.run is None
    assert found.describe()["kind"] == "generator file"


def test_folders_and_names_of_sets_are_images(pictures: Path) -> None:
    for name in (str(pictures), "small_set", "cifar10:test"):
        assert open_source(name, "SOURCE") == ImageSource(name)


def test_a_path_wins_over_a_name(others: Path, pictures: Path) -> None:
    others.rename("small_set")
    record = evaluate(str(pictures), data="small_set", extractor="random")
    assert record["protocol"]["n_real"] == 25


@pytest.mark.parametrize("name", ["nothing", "x" * 300, "null\0character", "cifar:test"])
def test_what_is_nowhere_is_an_error_that_names_the_flag_and_what_there_may_be(name: str) -> None:
    assert not is_run_or_generator(Path(name))
    with pytest.raises(UserError, match=r"^--data .* does not exist .*small_set.*Check the path"):
        open_source(name, "--data")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda config: config.pop("data"), "its settings are not complete"),
        (lambda config: config["data"].update(colour=3), "1 settings are not understood"),
        (lambda config: config["run"].update(seed="x"), "1 settings are not understood"),
    ],
)
def test_settings_that_are_not_those_of_a_run_are_an_error(
    run: Path, change: Any, reason: str
) -> None:
    stored = read_generator(run)
    assert config_of(stored).data.subset == 20
    config = {section: dict(values) for section, values in stored.config.items()}
    change(config)
    with pytest.raises(
        UserError, match=rf"cannot be evaluated \({reason}\), expected.*Generate images"
    ):
        config_of(replace(stored, config=config))
