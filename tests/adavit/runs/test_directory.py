"""Names of folders that are words for other things too."""

import json
import re
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
from adavit.runs.directory import RunDirectory, RunTaken
from adavit.runs.shared_names import shared_config
from adavit.runtime.files import mark_results

Tiny = Callable[..., RunConfig]


ROOT = Path(__file__).resolve().parents[3]


WORDS = {'"samples"', '"projections"', '"diagnostics"', '"tensorboard"', '".adavit-results"'}


@pytest.mark.usefixtures("pictures_of_runs")
def test_a_run_leaves_exactly_these_files(tiny: Tiny) -> None:
    run = adavit.train(tiny({"training": {"total_kimg": 1.0}, "metrics": {"every_kimg": 1}}))
    found = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    events = {name for name in found if name.startswith("tensorboard/")}
    assert found - events == {
        "checkpoint.pt",
        "checkpoint-1.pt",
        "config.yaml",
        ".lock",
        ".adavit-results",
        "curves.png",
        "data.json",
        "environment.json",
        "generator-best.safetensors",
        "generator-last.safetensors",
        "metrics.jsonl",
        "samples/000000kimg.png",
        "samples/000001kimg.png",
        "samples/reals.png",
        "samples/training.gif",
        "stats.jsonl",
    }

    config = yaml.safe_load((run / "config.yaml").read_text())
    assert list(config) == [
        "data",
        "augment",
        "generator",
        "discriminator",
        "features",
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
    assert json.loads(metadata["config"]) == shared_config(config)
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
    with pytest.raises(UserError, match=r"is not empty.*Choose another\.$"):
        RunDirectory.create(tmp_path / "full", "label")


def test_what_is_no_run_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no '.*nothing'.* adavit runs lists"):
        RunDirectory.open(tmp_path / "nothing")
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match=r"no config\.yaml"):
        RunDirectory.open(tmp_path / "photos")


def test_every_file_has_a_name_of_its_own_inside_the_folder(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    paths = [value for name, value in vars(directory).items() if isinstance(value, Path)]
    paths += vars(directory.diagnostics).values()
    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to(tmp_path) for path in paths)


def test_names_of_files_of_a_run_stand_in_one_module() -> None:
    """The names as strings of their own; messages and descriptions may speak of them."""
    directory = RunDirectory(Path())
    names = {path.name for path in vars(directory).values() if isinstance(path, Path)}
    names |= {path.name for path in vars(directory.diagnostics).values()}
    quoted = re.compile("|".join(f'"{re.escape(name)}"' for name in sorted(names - {""})))
    found = {
        f"{path}: {match[0]}"
        for room in ("adavit", "cli")
        for path in (ROOT / room).rglob("*.py")
        for match in quoted.finditer(path.read_text(encoding="utf-8"))
        if path.name != "directory.py" and match[0] not in WORDS
    }
    assert not found, f"{found}: take the attribute of RunDirectory"


def test_a_run_is_a_folder_with_a_configuration(tmp_path: Path) -> None:
    assert not RunDirectory(tmp_path / "nothing").is_run()
    assert not RunDirectory(tmp_path).is_run()
    mark_results(tmp_path)
    assert not RunDirectory(tmp_path).is_run()
    RunDirectory(tmp_path).config.write_text("")
    assert RunDirectory(tmp_path).is_run()
    assert RunDirectory.open(tmp_path).path == tmp_path


def test_what_an_experiment_has_put_there_before_leaves_a_folder_free(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    for path in (directory.cell_note, directory.worker_log, directory.lock):
        path.write_text("")
    (tmp_path / ".config.yaml.4711-0123abcd.partial").write_text("training: {tot")
    RunDirectory.check_free(tmp_path)
    directory.config.write_text("")
    with pytest.raises(UserError, match="is not empty"):
        RunDirectory.check_free(tmp_path)


def test_what_a_kill_left_of_a_first_file_is_no_run_and_goes_with_the_next_one(
    tmp_path: Path,
) -> None:
    directory, left = RunDirectory(tmp_path), tmp_path / ".config.yaml.4711-0123abcd.partial"
    left.write_text("training: {tot")
    directory.lock.write_text("")
    with pytest.raises(UserError, match=f"ended before .*Begin it once more.* --out {tmp_path}"):
        RunDirectory.open(tmp_path)
    assert RunDirectory.create(tmp_path, "x").path == tmp_path
    directory.samples.mkdir()
    (directory.samples / ".reals.png.4711-0123abcd.partial").write_bytes(b"")
    with directory.claimed():
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {".lock", directory.mark.name, "samples"}
        assert not list(directory.samples.iterdir())


def test_sample_grids_are_found_by_the_names_they_are_given(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert directory.sample_grids() == {}
    directory.samples.mkdir()
    given = {
        20.0: directory.sample_grid(20_000, decimals=False),
        20.016: directory.sample_grid(20_016, decimals=True),
    }
    assert [path.name for path in given.values()] == ["000020kimg.png", "000020.016kimg.png"]
    for path in (*given.values(), directory.real_images, directory.samples / "kimg.png"):
        path.write_bytes(b"")
    assert list(directory.sample_grids().items()) == list(given.items())


def test_checkpoints_are_listed_from_the_newest_on(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert directory.checkpoints() == RunDirectory(tmp_path / "nothing").checkpoints() == []
    names = ["checkpoint.pt", "checkpoint-1.pt", "checkpoint-2.pt", "checkpoint-10.pt"]
    others = ["checkpoint-0.pt", "checkpoint-.pt", "checkpoint-01.pt", "checkpoint-1.pt.bak"]
    for name in (*names, *others):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "checkpoint-3.pt").mkdir()
    assert [path.name for path in directory.checkpoints()] == names


def test_a_checkpoint_makes_a_run_too(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    assert RunDirectory.open(tmp_path).is_run()


@pytest.mark.parametrize("name", ["config.yaml", "checkpoint.pt"])
def test_a_file_of_a_run_leads_to_the_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=rf"a file of a run.*Name its folder: '{tmp_path}'"):
        RunDirectory.open(tmp_path / name)


def test_only_one_process_trains_in_a_folder(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    with directory.claimed(), pytest.raises(RunTaken, match="another process"):
        with RunDirectory(tmp_path).claimed():
            pass
    with directory.claimed():
        pass


@pytest.mark.parametrize(
    ("text", "marked", "is_run"),
    [
        ("model: sdxl\n", False, False),
        ("data: {}\nsteps: 3\n", False, False),
        ("", False, True),  # a kill came while it was written
        ("data:\n  source: x\ntraining: {}\n", False, True),
        ("pretraining: {}\ndata: {}\n", False, True),
        ("\0 damaged", True, True),  # it has been one
    ],
)
def test_a_configuration_of_another_tool_makes_no_run(
    tmp_path: Path, text: str, marked: bool, is_run: bool
) -> None:
    directory = RunDirectory(tmp_path)
    directory.config.write_text(text)
    if marked:
        directory.mark.touch()
    assert directory.is_run() == is_run


def test_the_remedy_for_a_taken_place_fits_what_is_there(tmp_path: Path) -> None:
    file, photos, run = tmp_path / "file", tmp_path / "photos", tmp_path / "run"
    file.write_text("")
    for folder, name in ((photos, "1.png"), (run, "config.yaml")):
        folder.mkdir()
        (folder / name).write_text("{}")
    for path, message in (
        (file, r"is a file, expected a new folder\. Choose another name\.$"),
        (photos, r"is not empty, expected a new folder\. Choose another\.$"),
        (run, r"Choose another, or continue the run in it: adavit train --resume \S+$"),
    ):
        with pytest.raises(UserError, match=message):
            RunDirectory.check_free(path)


def test_kept_generators_are_found_by_the_names_they_are_given(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    assert directory.kept_generators() == {}
    directory.path.mkdir()
    given = {
        0.208: directory.kept_generator(208, decimals=True),
        200.0: directory.kept_generator(200_031, decimals=False),
        200.512: directory.kept_generator(200_512, decimals=True),
        1234567.0: directory.kept_generator(1_234_567_000, decimals=False),
    }
    assert given[200.0].name == "generator-000200.safetensors"
    assert given[0.208].name == "generator-000000.208.safetensors"
    others = ("generator-20.safetensors", "generator-000200.pt", "generator-000200.safetensors~")
    for path in (*given.values(), directory.best_generator, *map(directory.path.joinpath, others)):
        path.touch()
    assert list(directory.kept_generators().items()) == list(given.items())
    generators = {path for path in directory.path.iterdir() if directory.is_generator(path)}
    assert generators == {*given.values(), directory.best_generator}
    assert directory.is_generator(directory.last_generator)  # whether or not it is there
    assert not directory.is_generator(tmp_path / given[200.0].name)


def test_a_run_that_was_ended_before_it_had_its_settings_can_begin_once_more(
    tmp_path: Path,
) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    for path in (directory.environment, directory.data):
        path.write_text("{}")
    with pytest.raises(UserError, match="is not empty"):
        RunDirectory.check_free(directory.path)
    mark_results(directory.path)
    RunDirectory.check_free(directory.path)
    with pytest.raises(UserError, match=r"was ended before it had written its config\.yaml"):
        RunDirectory.open(directory.path)
