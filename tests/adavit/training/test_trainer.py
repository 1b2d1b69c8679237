"""The loop: when it ends, and what never changes the weights."""

import gc
import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor, nn

import adavit
from adavit.augment import AdaptiveProbability
from adavit.config.layers import build_config, merge
from adavit.config.run import RunConfig
from adavit.errors import RunError
from adavit.evaluation.evaluate import evaluate
from adavit.models import Generator
from adavit.runs.checkpoint import load_checkpoint
from adavit.runs.generations import LoadedCheckpoint
from adavit.runs.generator_file import read_generator
from adavit.runtime.console import SilentConsole, Status
from adavit.runtime.signals import Stopped
from adavit.training import remarks, run_output
from adavit.training.clock import Clock
from adavit.training.objectives import losses
from adavit.training.snapshots import Snapshots
from adavit.training.start import build
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.train import train
from adavit.training.trainer import Trainer
from adavit.watch.alarms import Alarm
from tests.adavit.training.test_train import assert_same_bits, final_state
from tests.telling import Told

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


def test_a_run_that_patience_ends_has_the_duties_of_the_end(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([5.0, 3.0, 4.0, 3.5])

    def scored(*_: object, **__: object) -> dict:
        value = next(figures)
        return {"fd_random": value, "kid_random": value, "protocol": {}}

    monkeypatch.setattr("adavit.training.trainer.score_generator", scored)
    layer = {
        "metrics": {"every_kimg": 0.016, "patience_kimg": 0.032},
        "training": {"total_kimg": 1},
        "run": {"status_every_kimg": 0.04, "samples_every_kimg": 0.04},
    }
    console = Told()
    run = adavit.train(tiny(layer), console=console)
    stats = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert [record["images"] for record in stats] == [40, 48]
    grids = sorted(path.name for path in (run / "samples").glob("*kimg*.png"))
    assert [name.startswith("000000.048") for name in grids][-1]
    assert sum("Stopped early after 0.032 kimg" in line for line in console.results) == 1


def test_a_run_whose_time_is_out_writes_its_end_once(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save = Trainer.save

    def noted(self: Trainer, *, ended: bool) -> None:
        saved.append(self.progress.images)
        save(self, ended=ended)

    monkeypatch.setattr(Trainer, "save", noted)
    monkeypatch.setattr(Clock, "is_out", lambda self, left: 0 < left <= 24)
    monkeypatch.setattr(Clock, "ending", lambda self: "Its time is out")
    run = adavit.train(tiny({"metrics": {"names": "none"}}), kimg=0.064)
    assert saved.count(40) == 1
    assert saved[-1] == 40
    stats = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert stats[-1]["images"] == 40


def test_a_resumed_run_keeps_nothing_of_the_checkpoint_beside_its_parts(tiny: Tiny) -> None:
    run = adavit.train(tiny({"training": {"total_kimg": 0.016}}))
    held: list[int] = []

    class Watching(SilentConsole):
        def status(self, status: Status) -> None:
            loaded = [each for each in gc.get_objects() if type(each) is LoadedCheckpoint]
            held.extend(len(each.state) for each in loaded if each.path.parent == run)

    adavit.resume(run, kimg=0.032, console=Watching())
    assert set(held) == {0}


@pytest.mark.parametrize("from_scratch", [True, False])
def test_a_figure_that_rises_at_first_does_not_keep_the_untrained_generator(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, from_scratch: bool
) -> None:
    layer = {"metrics": {"every_kimg": 0.016}, "training": {"total_kimg": 0.048}}
    if not from_scratch:
        source = adavit.train(tiny({"run": {"out": "source"}}))
        layer["training"]["transfer"] = str(source)
    figures = iter([5.0, 9.0, 7.0, 8.0])

    def scored(*_: object, **__: object) -> dict:
        value = next(figures)
        return {"fd_random": value, "kid_random": value, "protocol": {}}

    monkeypatch.setattr("adavit.training.trainer.score_generator", scored)
    run = adavit.train(tiny(layer))
    assert read_generator(run, which="best").images == (32 if from_scratch else 0)


def test_the_seed_decides_what_is_trained_on_and_what_is_measured(
    tiny: Tiny, tmp_path: Path
) -> None:
    # Which images are held out hangs on the seed too.
    alike = {"data": {"val_fraction": 0.0}, "training": {"total_kimg": 0.016}}
    source = adavit.train(tiny(alike, {"metrics": {"names": []}}))
    weights = merge(alike, {"training": {"transfer": str(source)}})
    runs = []
    for seed in (0, 5):
        own = {"run": {"seed": seed, "out": str(tmp_path / f"seed{seed}")}}
        runs.append(adavit.train(tiny(weights, own)))
    first, second = (final_state(run)["generator"] for run in runs)
    assert any(not torch.equal(value, second[name]) for name, value in first.items())
    *_, last = (json.loads(line) for line in (runs[1] / "metrics.jsonl").read_text().splitlines())
    again = evaluate(str(runs[1]), which="last", metrics=["fid"])
    assert again["protocol"]["seed"] == 5
    assert again["fd_random"] == last["fd_random"]


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
        del state["progress"], state["window"], state["reference_fingerprint"]
    del often_state["best_generator"]
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


def test_a_run_that_reports_seldom_is_stopped_when_the_host_next_asks(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps 4 to 53 are the first fifty in a row; the host asks after each fifty steps."""
    steps, generator_loss = iter(range(200)), losses.generator_loss

    def poisoned(logits: Tensor) -> Tensor:
        return generator_loss(logits) * (1.0 if next(steps) < 3 else math.nan)

    monkeypatch.setattr("adavit.training.objectives.losses.generator_loss", poisoned)
    seldom = {"status_every_kimg": 10, "samples_every_kimg": 10, "checkpoint_every_kimg": 10}
    config = tiny({"training": {"total_kimg": 2}, "metrics": {"names": []}, "run": seldom})
    with pytest.raises(
        RunError, match=r"50 steps in a row .* at 0\.8 kimg\. The checkpoint of 0 kimg"
    ):
        adavit.train(config)


@pytest.mark.parametrize("rate", [1e30, 1e7])
def test_weights_that_reach_beyond_sense_end_the_run_and_are_never_kept(
    tiny: Tiny, tmp_path: Path, rate: float
) -> None:
    training = {"generator_lr": rate, "warmup_kimg": 0, "total_kimg": 1}
    config = tiny({"training": training, "metrics": {"names": []}})
    config = config.model_copy(
        update={"run": config.run.model_copy(update={"checkpoint_every_kimg": 0.016})}
    )
    with pytest.raises(RunError) as caught:
        adavit.train(config)
    assert "training diverged: the weights of the generator reach 1e+" in str(caught.value)
    assert "The checkpoint of 0 kimg is good" in str(caught.value)
    for name in ("checkpoint.pt", "generator-last.safetensors"):
        assert (tmp_path / "run" / name).is_file()
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["progress"]["images"] == 0
    largest = max(float(value.abs().max()) for value in state["generator"].values())
    assert largest < 100
    assert read_generator(tmp_path / "run").images == 0
    with pytest.raises(RunError, match="diverged"):  # it is as good as it says: the same again
        adavit.resume(tmp_path / "run")


def test_no_checkpoint_is_written_between_steps_that_are_skipped(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps 3 to 5 are poisoned: what is due after 24 and 32 images waits for the next good one."""
    saved: list[int] = []
    save, generator_loss = Snapshots.save, losses.generator_loss
    steps = iter(range(100))

    def poisoned(logits: Tensor) -> Tensor:
        return generator_loss(logits) * (math.nan if next(steps) in (2, 3, 4) else 1.0)

    def noted(self: Snapshots, parts: Any) -> None:
        save(self, parts)
        saved.append(load_checkpoint(tmp_path / "run" / "checkpoint.pt")["progress"]["images"])

    monkeypatch.setattr("adavit.training.objectives.losses.generator_loss", poisoned)
    monkeypatch.setattr(Snapshots, "save", noted)
    adavit.train(tiny({"run": {"checkpoint_every_kimg": 0.008}, "metrics": {"names": []}}))
    assert saved == [0, 8, 16, 48, 56, 64]


def test_who_stops_a_run_between_skipped_steps_is_told_of_the_checkpoint_before_them(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, generator_loss = iter(range(100)), losses.generator_loss

    def poisoned(logits: Tensor) -> Tensor:
        return generator_loss(logits) * (math.nan if next(steps) in (3, 4) else 1.0)

    class StopsAt(SilentConsole):
        def status(self, status: Status) -> None:
            if status.images == 40:
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("adavit.training.objectives.losses.generator_loss", poisoned)
    config = tiny({"run": {"checkpoint_every_kimg": 0.008}, "metrics": {"names": []}})
    with pytest.raises(Stopped) as caught:
        adavit.train(config, console=StopsAt())
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["progress"]["images"] == 24
    assert caught.value.left.startswith("the last 2 steps were skipped")
    assert caught.value.left.endswith("so the checkpoint is still that of 0.024 kimg")


def test_a_run_that_ends_between_skipped_steps_is_finished(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(logits: Tensor) -> Tensor:
        return logits * math.nan

    monkeypatch.setattr("adavit.training.objectives.losses.generator_loss", poisoned)
    adavit.train(tiny({"metrics": {"names": []}}))
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["progress"]["images"] == 64


@pytest.mark.parametrize("duty", ["samples", "metrics"])
def test_images_that_are_no_numbers_are_neither_drawn_nor_measured(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duty: str
) -> None:
    """Weights may be sound where what is made of them overflows."""

    def overflowing(self: Generator, *_: Any, **__: Any) -> Tensor:
        return torch.full((4, 3, 16, 16), math.inf)

    config = tiny({"metrics": {"names": []}} if duty == "samples" else {})
    if duty == "metrics":
        monkeypatch.setattr(run_output.SampleSheet, "draw", lambda *args, **named: None)
    monkeypatch.setattr(Generator, "forward", overflowing)
    with pytest.raises(RunError) as caught:
        adavit.train(config)
    assert str(caught.value).startswith("training diverged: 4 of 4 images that the generator draws")
    assert not (tmp_path / "run" / "samples" / "000000kimg.png").exists()
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


Make = Callable[[str], RunConfig]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for index in range(24):
        image = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        image.save(tmp_path / "pictures" / f"{index}.png")

    def config(name: str) -> RunConfig:
        return build_config(
            [
                {
                    "data": {"source": str(tmp_path / "pictures")},
                    "generator": {"latent_dim": 8, "style_dim": 8, "channel_max": 8},
                    "discriminator": {"kind": "vit", "width": 16, "heads": 2, "patch_drop": 0.25},
                    "training": {"total_kimg": 0.032, "batch": 8},
                    "metrics": {"names": []},
                    "run": {"status_every_kimg": 0.016, "out": str(tmp_path / name)},
                }
            ]
        )

    return config


def test_watching_does_not_change_a_bit(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(make("watched"))
    monkeypatch.setattr(remarks, "training_alarms", lambda *args, **named: [])
    train(make("unwatched"))
    states = [
        load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("watched", "unwatched")
    ]
    for network in ("generator", "discriminator", "average"):
        for key, value in states[0][network].items():
            assert torch.equal(value, states[1][network][key]), key


@pytest.mark.parametrize(
    ("loss", "augment", "recorded"),
    [
        ("non_saturating", {"mode": "ada", "heuristic": "rt"}, False),
        ("non_saturating", {"mode": "ada", "heuristic": "relative"}, True),
        ("non_saturating", {"mode": "fixed", "p": 0.3, "heuristic": "relative"}, False),
        ("relativistic", {"mode": "ada", "heuristic": "rv"}, True),
    ],
)
def test_what_steers_p_or_stands_for_r_t_is_recorded(
    tiny: Tiny, loss: str, augment: dict[str, Any], recorded: bool
) -> None:
    layer = {
        "training": {"loss": loss, "total_kimg": 0.008},
        "augment": augment,
        "data": {"val_fraction": 0.25},
    }
    run = adavit.train(tiny(layer))
    stats = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert ("r_relative" in stats[-1]) == recorded


def test_each_alarm_is_noted_once_though_its_figure_changes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, float, float]] = []

    def alarms(
        discriminator: nn.Module, images: Tensor, *, r_relative: float, **counts: int
    ) -> list[Alarm]:
        seen.append((len(images), r_relative, counts["real"]))
        return [Alarm("entropy of block 1", f"entropy {len(seen)}")]

    monkeypatch.setattr(remarks, "training_alarms", alarms)
    kimg = iter(range(100))
    monkeypatch.setattr(
        AdaptiveProbability,
        "alarms",
        lambda self: {"p at its cap": f"p has been at its cap for {next(kimg)}.5 kimg"},
    )
    console = Told()
    train(make("run"), console=console)
    said = [line for line in console.notes if line.startswith("Warning")]
    assert [line for line in said if "images are little to learn from" not in line] == [
        "Warning: p has been at its cap for 0.5 kimg",
        "Warning: entropy 1",
    ]
    assert len(seen) == 2
    assert all(count == 16 and -1 <= r <= 1 and real == 16 for count, r, real in seen)


def test_a_collapsed_discriminator_is_told_of_in_the_log(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_step = build.build_step

    def collapsed(workload: Workload, *features: Any) -> AdversarialStep:
        step = build_step(workload, *features)
        with torch.no_grad():
            score = step.discriminator.get_submodule("encoder.blocks.0.attention.score")
            for gain in score.parameters():
                gain.fill_(100.0)
        return step

    monkeypatch.setattr("adavit.training.start.build.build_step", collapsed)
    console = Told()
    train(make("run"), console=console)
    warnings = [line for line in console.notes if line.startswith("Warning: attention")]
    assert any("collapsed in 2 of 2 heads of block 1" in line for line in warnings)
    assert any("logits of block 1 reach" in line for line in warnings)
