import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torchvision.models import squeezenet1_1

import adavit
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.errors import UserError
from adavit.features import network
from adavit.metrics.extractors import weight_files
from adavit.metrics.extractors.weight_files import file_digest
from adavit.runtime.console import SilentConsole
from adavit.training.start.build import build_step
from adavit.training.start.workload import prepare
from tests.adavit.training.test_train import assert_same_bits, figures, final_state


@pytest.fixture
def features(tmp_path: Path) -> dict:
    torch.manual_seed(0)
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeeze.pth")
    return {"features": {"network": f"torchvision:squeezenet1_1:{tmp_path / 'squeeze.pth'}"}}


def test_a_run_has_the_critic_that_its_settings_say(
    tiny: Callable[..., RunConfig], features: dict
) -> None:
    more = {"features": {"weight": 0.5, "loss": "hinge", "mixing": "scales", "p": 0.3}}
    step = build_step(prepare(tiny(features, more), SilentConsole()))
    objective = step.features
    assert objective is not None
    assert objective.weight == 0.5
    assert objective.pipe is not None
    assert objective.pipe.p == pytest.approx(0.3)
    assert [tap.stride for tap in objective.critic.frozen[0].taps] == [4, 8]
    assert objective.critic.get_buffer("mean0").abs().max() > 0
    assert build_step(prepare(tiny(), SilentConsole())).features is None


def test_half_then_resume_equals_one_go_bit_for_bit(
    tiny: Callable[..., RunConfig], tmp_path: Path, features: dict
) -> None:
    quiet = {"metrics": {"names": []}, "run": {"status_every_kimg": 0.008}}
    whole = tiny(features, quiet, {"run": {"out": str(tmp_path / "whole")}})
    half = tiny(
        features,
        quiet,
        {"run": {"out": str(tmp_path / "half")}, "training": {"total_kimg": 0.024}},
    )
    adavit.train(whole)
    adavit.train(half)
    adavit.resume(tmp_path / "half", [{"training": {"total_kimg": whole.training.total_kimg}}])
    assert_same_bits(final_state(tmp_path / "whole"), final_state(tmp_path / "half"))
    logs = [figures(tmp_path / run / "stats.jsonl") for run in ("whole", "half")]
    assert logs[0] == logs[1]
    assert "features_generator" in logs[0][-1]


def test_a_run_and_what_comes_of_it_say_what_its_discriminator_saw(
    tiny: Callable[..., RunConfig], tmp_path: Path, features: dict
) -> None:
    run = adavit.train(tiny(features))
    (seen,) = read_config(run).features.seen
    file = features["features"]["network"].removeprefix("torchvision:squeezenet1_1:")
    assert seen == f"torchvision:squeezenet1_1 {file_digest(Path(file))}"
    assert adavit.load_generator(run).discriminator_saw == (seen,)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(record["protocol"]["discriminator_saw"] == [seen] for record in records)
    after = {"training": {"transfer": str(run)}, "run": {"out": str(tmp_path / "after")}}
    heir = adavit.train(tiny(after))
    assert read_config(heir).features.seen == (seen,)
    assert adavit.load_generator(heir).discriminator_saw == (seen,)
    plain = adavit.train(tiny({"run": {"out": str(tmp_path / "plain")}}))
    record = json.loads((plain / "metrics.jsonl").read_text().splitlines()[0])
    assert record["protocol"]["discriminator_saw"] is None


def test_weights_that_have_changed_stop_a_resume(
    tiny: Callable[..., RunConfig], features: dict
) -> None:
    run = adavit.train(tiny(features))
    file = features["features"]["network"].removeprefix("torchvision:squeezenet1_1:")
    torch.save(squeezenet1_1(weights=None).state_dict(), file)
    with pytest.raises(UserError, match="has other weights than the run began with"):
        adavit.resume(run, kimg=1)


def read_config(run: Path) -> ResolvedConfig:
    return ResolvedConfig.model_validate(yaml.safe_load((run / "config.yaml").read_text()))


def test_a_network_that_is_not_there_is_told_before_data_are_loaded(
    tiny: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("adavit.training.start.workload.load_images", loaded)
    absent = {"features": {"network": f"torchvision:resnet18:{tmp_path / 'nothing.pth'}"}}
    with pytest.raises(UserError, match=r"nothing\.pth names no file"):
        adavit.train(tiny(absent))


def test_a_start_reads_its_file_once_for_the_digest_and_builds_its_network_once(
    tiny: Callable[..., RunConfig], features: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counter[str]()

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: object, **named: object) -> Any:
            counts[name] += 1
            return function(*given, **named)

        return called

    monkeypatch.setattr(weight_files, "file_digest", counting("hashed", weight_files.file_digest))
    monkeypatch.setattr(network, "_build", counting("built", network._build))
    run = adavit.train(tiny(features))
    assert counts == {"hashed": 1, "built": 1}
    adavit.resume(run, kimg=0.064)
    assert counts == {"hashed": 2, "built": 2}


def test_weights_that_are_gone_stop_a_resume_before_data_are_loaded(
    tiny: Callable[..., RunConfig], features: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = adavit.train(tiny(features))
    Path(features["features"]["network"].removeprefix("torchvision:squeezenet1_1:")).unlink()

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("adavit.training.start.workload.load_images", loaded)
    with pytest.raises(UserError, match=r"squeeze\.pth names no file"):
        adavit.resume(run, kimg=1)
