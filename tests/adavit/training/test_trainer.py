"""The loop: when it ends, and what never changes the weights."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import adavit
from adavit.config.run import RunConfig
from adavit.errors import RunError
from tests.adavit.training.test_train import assert_same_bits, final_state

Tiny = Callable[..., RunConfig]


def test_patience_stops_a_run_that_no_longer_improves(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([5.0, 3.0, 4.0, 3.5, 2.0])

    def scored(*_: object, **__: object) -> dict:
        value = next(figures)
        return {"fd_random": value, "kid_random": value, "protocol": {}}

    monkeypatch.setattr("adavit.training.trainer.score_generator", scored)
    layer = {
        "metrics": {"every_kimg": 0.016, "patience_kimg": 0.032},
        "training": {"total_kimg": 1},
    }
    run = adavit.train(tiny(layer))
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [record["images"] for record in metrics] == [0, 16, 32, 48]
    with safe_open(run / "generator-best.safetensors", framework="pt") as stored:
        assert stored.metadata()["images"] == "16"


def test_cadence_never_changes_the_weights(tiny: Tiny, tmp_path: Path) -> None:
    often = {
        "run": {
            "out": str(tmp_path / "often"),
            "status_every_kimg": 0.008,
            "samples_every_kimg": 0.008,
        },
        "metrics": {"every_kimg": 0.016, "fakes": 12},
    }
    never = {
        "run": {"out": str(tmp_path / "never"), "status_every_kimg": 9, "checkpoint_every_kimg": 9},
        "metrics": {"names": []},
    }
    adavit.train(tiny(often))
    adavit.train(tiny(never))
    often_state, never_state = (final_state(tmp_path / name) for name in ("often", "never"))
    for state in (often_state, never_state):  # what was measured when; that may differ
        del state["progress"], state["window"]
    assert_same_bits(often_state, never_state)


def test_steps_that_are_not_finite_are_skipped_whole_and_fifty_stop_the_run(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(
        {"training": {"total_kimg": 1, "discriminator_lr": 1e-3}, "metrics": {"names": []}}
    )

    def poisoned(logits: torch.Tensor) -> torch.Tensor:
        return logits * float("nan")

    monkeypatch.setattr("adavit.training.objectives.losses.generator_loss", poisoned)
    with pytest.raises(RunError, match="50 steps in a row"):
        adavit.train(config)
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["progress"]["images"] < 400
    assert state["generator_optimizer"]["state"] == {}
    assert state["discriminator_optimizer"]["state"] == {}
