"""Runs with everything on: half and then the rest gives the bits of one go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

import adavit
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.training.step.adversarial_step import AdversarialStep
from tests.adavit.training.test_train import assert_same_bits, figures, final_state
from tests.checkpoints import save_checkpoint

EVERYTHING = {
    "r2_gamma": 0.1,
    "r2_interval": 2,
    "gradient_penalty": 0.1,
    "drift": 0.001,
    "path_length": 2,
    "path_length_interval": 2,
    "style_mixing": 0.9,
    "bcr_real": 1,
    "bcr_generated": 1,
    "zcr_discriminator": 0.2,
    "zcr_generator": 0.02,
    "apa_p_max": 0.8,
    "apa_speed_kimg": 0.04,
    "apa_target": -1,
    "top_k": 0.5,
    "masked_patch_weight": 0.3,
    "freeze_d": 1,
    "schedule_kimg": 0.05,
    "final_lr_factor": 0.25,
    "final_gamma_factor": 0.1,
    "final_beta2": 0.9,
}


LAYERS: list[dict[str, Any]] = [
    {"training": {**EVERYTHING, "lecam": 0.3, "san": True}},
    {
        "training": {**EVERYTHING, "loss": "relativistic", "penalty": "approximate"},
        "augment": {"mode": "scheduled", "p": 0.5, "schedule_kimg": 0.05},
        "data": {"cond": True},
    },
    {
        "training": {
            **EVERYTHING,
            "masked_patch_weight": 0,
            "microbatch": 4,
            "chain_p0": 0.1,
            "chain_target": -1,
            "chain_start_kimg": 0.008,
            "chain_speed_kimg": 0.1,
        },
        "discriminator": {
            "kind": "resnet",
            "channel_base": 64,
            "channel_max": 8,
            "normalization": "chain",
        },
        "data": {"cond": True, "val_fraction": 0.2},
    },
]
NAMES = ["lecam and san", "relativistic", "chain"]


@pytest.mark.parametrize("layer", LAYERS, ids=NAMES)
def test_all_extras_resume_to_the_same_bits(
    tiny: Callable[..., RunConfig], tmp_path: Path, layer: dict
) -> None:
    # A run reports at its end too: at every step, so that half a run has no report of its own.
    quiet = {"metrics": {"names": []}, "run": {"status_every_kimg": 0.008}}
    whole = tiny(layer, quiet, {"run": {"out": str(tmp_path / "whole")}})
    half = tiny(
        layer,
        quiet,
        {"run": {"out": str(tmp_path / "half")}, "training": {"total_kimg": 0.04}},
    )
    adavit.train(whole)
    adavit.train(half)
    adavit.resume(tmp_path / "half", [{"training": {"total_kimg": 0.064}}])
    first, second = final_state(tmp_path / "whole"), final_state(tmp_path / "half")
    assert_same_bits(first, second)
    stateful = {"path_length_penalty", "pseudo_augmentation"}
    assert first.keys() >= stateful | ({"lecam"} & layer["training"].keys())
    if "chain_p0" in layer["training"]:
        assert first["chain"]["images"] == 64
        # 8 images a step: from the second step on it rises, by 0.08 each time.
        assert first["discriminator"]["chain.p"].item() == pytest.approx(7 * 0.08)
    assert first["pseudo_augmentation"]["p"] > 0
    records = figures(tmp_path / "whole" / "stats.jsonl")
    assert records == figures(tmp_path / "half" / "stats.jsonl")
    for name in ("r2", "path_length", "bcr_real", "zcr_generator", "gradient_penalty"):
        assert all(name in record for record in records)
        assert any(record[name] is not None for record in records)
    relative = layer["training"].get("loss") == "relativistic"
    assert all(("r_relative" in record) is relative for record in records)
    assert records[-1]["pseudo_p"] == first["pseudo_augmentation"]["p"]


class Killed(BaseException):
    """Ends a run wherever it is."""


@pytest.mark.parametrize("layer", LAYERS, ids=NAMES)
def test_a_run_that_is_killed_before_its_first_step_goes_on(
    tiny: Callable[..., RunConfig],
    tmp_path: Path,
    layer: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kill(*_arguments: Any, **_named: Any) -> NoReturn:
        raise Killed

    short = {"metrics": {"names": []}, "training": {"total_kimg": 0.016}}
    killed, whole = (
        tiny(layer, short, {"run": {"out": str(tmp_path / name)}}) for name in ("killed", "whole")
    )
    with monkeypatch.context() as at_once:
        at_once.setattr(AdversarialStep, "__call__", kill)
        with pytest.raises(Killed):
            adavit.train(killed)
    assert (tmp_path / "killed" / "checkpoint.pt").exists()
    adavit.resume(tmp_path / "killed")
    adavit.train(whole)
    assert_same_bits(final_state(tmp_path / "killed"), final_state(tmp_path / "whole"))


PARTS = (
    "generator",
    "discriminator",
    "average",
    "generator_optimizer",
    "discriminator_optimizer",
    "lecam",
    "pseudo_augmentation",
    "probability",
    "window",
    "progress",
)


def test_a_checkpoint_without_the_state_of_a_part_is_refused(
    tiny: Callable[..., RunConfig],
) -> None:
    training = {"lecam": 0.1, "apa_p_max": 0.5, "total_kimg": 0.016}
    run = adavit.train(tiny({"training": training, "metrics": {"names": []}}))
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    assert state.keys() == {"format", "config", "fingerprint", "reference_fingerprint", *PARTS}
    for name in PARTS:
        others = {key: value for key, value in state.items() if key != name}
        for damaged in (others, {**others, name: {}}, {**others, name: None}):
            save_checkpoint(run / "checkpoint.pt", damaged)
            with pytest.raises(UserError, match=f"does not fit this configuration .*{name}"):
                adavit.resume(run)
