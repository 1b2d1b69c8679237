import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image
from safetensors import safe_open

import adavit
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.runs.directory import RunDirectory

Tiny = Callable[..., RunConfig]


def test_a_run_leaves_exactly_these_files(tiny: Tiny) -> None:
    run = adavit.train(tiny({"training": {"total_kimg": 1.0}, "metrics": {"every_kimg": 1}}))
    found = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    events = {name for name in found if name.startswith("tensorboard/")}
    assert found - events == {
        "checkpoint.pt",
        "config.yaml",
        ".lock",
        "curves.png",
        "data.json",
        "environment.json",
        "generator-best.safetensors",
        "generator-last.safetensors",
        "metrics.jsonl",
        "samples/000000kimg.png",
        "samples/000001kimg.png",
        "samples/reals.png",
        "stats.jsonl",
    }

    config = yaml.safe_load((run / "config.yaml").read_text())
    assert list(config) == [
        "data",
        "augment",
        "generator",
        "discriminator",
        "training",
        "metrics",
        "run",
    ]
    assert config["data"]["resolution"] == 16
    assert config["training"]["batch"] == 8

    data = json.loads((run / "data.json").read_text())
    assert data["classes"] == ["squares", "stripes"]
    assert data["images"] == data["training_images"] + data["heldout_images"] == 60
    assert len(data["fingerprint"]) == 64

    environment = json.loads((run / "environment.json").read_text())
    assert environment["python"] == sys.version.split()[0]
    assert environment["packages"]["torch"]

    stats = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert [record["images"] for record in stats] == [*range(16, 1001, 16), 1000]
    keys = {
        "images",
        "p",
        "r_t",
        "r_v",
        "logits_train",
        "logits_heldout",
        "logits_fake",
        "loss_generator",
        "loss_discriminator",
        "r1",
        "images_per_s",
        "skipped_steps",
        "seconds",
    }
    assert all(record.keys() == keys for record in stats)
    assert all(-1 <= record["r_t"] <= 1 for record in stats)
    assert stats[-1]["images_per_s"] > 0
    # p moves by at most its speed: 200 images take it from 0 to 1, from 0.5 on.
    assert all(abs(record["p"] - 0.5) <= record["images"] / 200 + 1e-6 for record in stats)

    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [record["images"] for record in metrics] == [0, 1000]
    for record in metrics:
        assert record["fd_random"] >= 0
        assert not any(key.startswith("fid") for key in record)
        assert record["protocol"]["extractor"] == "random"
        assert record["protocol"]["n_fake"] == 20
        assert record["protocol"]["n_real"] == 60
        assert record["protocol"]["reference_fingerprint"] == data["fingerprint"]
        assert record["fd_random_floor"] > 0

    with safe_open(run / "generator-best.safetensors", framework="pt") as stored:
        metadata = stored.metadata()
    assert json.loads(metadata["config"]) == config
    assert metadata["data_fingerprint"] == data["fingerprint"]
    best = min(metrics, key=lambda record: record["fd_random"])
    assert json.loads(metadata["metric"])["fd_random"] == best["fd_random"]
    assert int(metadata["images"]) == best["images"]

    grid = Image.open(run / "samples" / "000001kimg.png")
    assert grid.size == (8 * (64 + 2) + 2, 8 * (64 + 2) + 2)
    assert Image.open(run / "curves.png").size[0] > 500


def test_numbered_runs_count_up_and_say_what_they_are(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny(
        {"run": {"out": None}, "training": {"total_kimg": 0.008}, "metrics": {"names": []}}
    )
    assert str(adavit.train(config)) == "runs/00000-pictures-vit-bgc"
    other = tiny(
        {"run": {"out": None}, "training": {"total_kimg": 0.008}, "metrics": {"names": []}},
        {"augment": {"mode": "none", "initial_p": "auto"}},
    )
    assert str(adavit.train(other)) == "runs/00001-pictures-vit-noaug"


def test_a_folder_that_is_not_empty_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"is not empty.*--resume"):
        RunDirectory.create(tmp_path / "full", "label")


def test_what_is_no_run_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.yaml"):
        RunDirectory.open(tmp_path / "nothing")


def test_sample_names_have_decimals_only_where_the_cadence_needs_them(tiny: Tiny) -> None:
    layer = {"run": {"samples_every_kimg": 0.016}, "metrics": {"names": []}}
    run = adavit.train(tiny(layer, {"training": {"total_kimg": 0.032}}))
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == ["000000.000kimg.png", "000000.016kimg.png", "000000.032kimg.png", "reals.png"]


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


def test_two_grids_within_a_thousand_images_have_names_of_their_own(tiny: Tiny) -> None:
    layer = {"run": {"samples_every_kimg": 1}, "metrics": {"names": []}}
    run = adavit.train(tiny(layer, {"training": {"total_kimg": 0.032}}))
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == ["000000.032kimg.png", "000000kimg.png", "reals.png"]
