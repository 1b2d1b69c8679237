"""Distillation in whole runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

import adavit
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.metrics.extractors.weight_files import file_digest
from adavit.runtime.console import SilentConsole
from adavit.training.objectives.distillation import Distillation
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step, read_start
from adavit.training.start.teacher import build_teacher, find_teacher
from adavit.training.start.workload import Workload, load_workload
from tests.adavit.training.test_train import assert_same_bits, figures, final_state
from tests.published_vit import write_published

Layer = dict[str, dict[str, Any]]
QUIET: Layer = {"metrics": {"names": []}, "run": {"status_every_kimg": 0.008}}
COARSE: Layer = {"discriminator": {"patch": 8}}


@pytest.fixture
def distilled(tmp_path: Path) -> Layer:
    named = write_published(tmp_path / "vit.pth")
    return {"training": {"distill_weight": 1, "distill_network": named, "distill_width": 12}}


def after_two_steps(workload: Workload) -> dict[str, torch.Tensor]:
    step = build_step(workload)
    real = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for index in range(2):
        streams = StepStreams.at(0, 8 * index)
        assert step(real, None, images=2000 + 8 * index, streams=streams).finite
    return dict(step.discriminator.named_parameters())


def test_the_teacher_sees_images_and_patches_as_the_discriminator_does(
    tiny: Callable[..., RunConfig], distilled: Layer
) -> None:
    grey: Layer = {"data": {"channels": "grey"}}
    workload = load_workload(tiny(distilled, COARSE, grey), SilentConsole())
    found = find_teacher(workload.config)
    teacher = build_teacher(workload, found)
    assert found is not None
    assert teacher is not None
    assert teacher(torch.zeros(1, 1, 16, 16)).shape == (1, 5, 768)
    (regularizer,) = [
        part for part in build_step(workload).regularizers if isinstance(part, Distillation)
    ]
    assert regularizer.factor(0) == 1
    without = load_workload(tiny(COARSE), SilentConsole())
    assert find_teacher(without.config) is None
    assert build_teacher(without, None) is None


def test_each_setting_changes_the_weights_and_nothing_frozen_is_among_them(
    tiny: Callable[..., RunConfig], distilled: Layer, tmp_path: Path
) -> None:
    other = write_published(tmp_path / "other.pth", seed=3)

    def trained(**settings: Any) -> dict[str, torch.Tensor]:
        layers = [distilled, COARSE, {"training": settings}] if settings else [COARSE]
        return after_two_steps(load_workload(tiny(*layers), SilentConsole()))

    base, plain = trained(distill_weight=1), trained()
    assert {name for name in base if name not in plain} == {
        f"distillation.{part}.{layer}.{kind}"
        for part in ("of_class", "of_patches")
        for layer in (0, 2, 4)
        for kind in ("weight", "bias")
    }
    predictor, block = "distillation.of_class.0.weight", "encoder.blocks.0.mlp.0.weight"
    assert base[predictor].shape == (12, 16)
    assert trained(distill_width=20)[predictor].shape == (20, 16)
    for changed in (plain, trained(distill_weight=3), trained(distill_network=other)):
        assert not torch.equal(changed[block], base[block])
    off = trained(distill_weight=0, distill_network=other)
    assert off.keys() == plain.keys()
    for name, weight in plain.items():
        assert torch.equal(off[name], weight), name


def test_a_transformer_of_timm_teaches_too(tiny: Callable[..., RunConfig], tmp_path: Path) -> None:
    timm: Any = pytest.importorskip("timm", reason="timm is not installed")
    file = tmp_path / "timm.safetensors"
    save_file(timm.create_model("test_vit", img_size=32).state_dict(), file)
    distilled: Layer = {
        "training": {"distill_weight": 1, "distill_network": f"timm:test_vit:{file}"}
    }
    config = tiny(distilled, COARSE)
    assert read_start(config).seen == (f"timm:test_vit {file_digest(file)}",)
    weights = after_two_steps(load_workload(config, SilentConsole()))
    assert weights["distillation.of_patches.4.weight"].shape == (64, 2048)
    assert weights["distillation.of_patches.4.weight"].grad.abs().sum() > 0  # type: ignore[union-attr]


def test_half_then_resume_equals_one_go_bit_for_bit(
    tiny: Callable[..., RunConfig], tmp_path: Path, distilled: Layer
) -> None:
    layers = (distilled, COARSE, QUIET)
    whole = tiny(
        *layers, {"run": {"out": str(tmp_path / "whole")}, "training": {"total_kimg": 0.024}}
    )
    half = tiny(
        *layers, {"run": {"out": str(tmp_path / "half")}, "training": {"total_kimg": 0.008}}
    )
    adavit.train(whole)
    adavit.train(half)
    adavit.resume(tmp_path / "half", [{"training": {"total_kimg": 0.024}}])
    states = [final_state(tmp_path / run) for run in ("whole", "half")]
    assert_same_bits(*states)
    assert "distillation.of_patches.4.bias" in states[0]["discriminator"]
    logs = [figures(tmp_path / run / "stats.jsonl") for run in ("whole", "half")]
    assert logs[0] == logs[1]
    assert 0 < logs[0][-1]["distillation"] < 4


def test_a_run_says_whose_tokens_its_discriminator_learnt_and_holds_on_to_the_file(
    tiny: Callable[..., RunConfig], distilled: Layer, tmp_path: Path
) -> None:
    short: Layer = {"training": {"total_kimg": 0.008}, "metrics": {"every_kimg": 0.008}}
    run = adavit.train(tiny(distilled, COARSE, short))
    file = tmp_path / "vit.pth"
    seen = f"torchvision:vit_b_16 {file_digest(file)}"
    stored = yaml.safe_load((run / "config.yaml").read_text())
    assert stored["features"]["seen"] == [seen]
    assert stored["training"]["distill_network"] == f"torchvision:vit_b_16:{file}"
    assert adavit.load_generator(run).discriminator_saw == (seen,)
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert record["protocol"]["discriminator_saw"] == [seen]
    write_published(file, seed=4)
    with pytest.raises(UserError, match=r"distill_network .* has other weights than the run began"):
        adavit.resume(run, kimg=1)
    file.unlink()
    with pytest.raises(UserError, match=r"vit\.pth names no file") as gone:
        adavit.resume(run, kimg=1)
    # With the run begun its weight cannot be left out any more.
    assert str(gone.value).endswith("Check the path, or put the file back where it was.")


@pytest.mark.parametrize("key", ["distill_network", "init_discriminator"])
def test_weights_that_are_not_there_are_told_before_data_are_loaded(
    tiny: Callable[..., RunConfig], key: str
) -> None:
    layer = {key: "torchvision:vit_b_16:nothing.pth", "distill_weight": 1}
    open_sizes: Layer = {"data": {"source": "no such folder"}}
    config = tiny(open_sizes).as_dict()
    config["discriminator"] = {"kind": "vit"}
    config["training"] |= layer if key == "distill_network" else {key: layer[key]}
    flag = "--set training.distill_network=" if key == "distill_network" else "--init-disc"
    with pytest.raises(UserError, match=rf"^{flag}.*nothing\.pth names no file"):
        read_start(RunConfig.model_validate(config))
