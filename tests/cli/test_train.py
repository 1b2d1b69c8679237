import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torchvision.models import squeezenet1_1

from adavit.cli.train import command
from adavit.runs.trunk_file import save_trunk
from benchmarks.house import ROOT
from tests.adavit.training.test_train import assert_same_bits
from tests.checkpoints import save_checkpoint
from tests.cli.conftest import TINY, Adavit, named_settings
from tests.networks import VIT, make_vit

SETTINGS = named_settings(command)

# Each flag with a value that is not its default, and what else it needs.
GIVEN: dict[str, tuple[str, list[str]]] = {
    "--data": ("other", []),
    "--out": ("elsewhere", []),
    "--kimg": ("0.064", []),
    "--budget": ("90s", []),
    "--keep": ("3", []),
    "--discriminator": ("resnet", []),
    "--features": ("torchvision:squeezenet1_1:squeeze.pth", []),
    "--init-discriminator": ("trunk.safetensors", []),
    "--resolution": ("8", []),
    "--fit": ("pad", []),
    "--channels": ("rgba", []),
    "--frames": ("all", []),
    "--scale-16bit": ("set", []),
    "--follow-links": ("", []),
    "--subset": ("12", []),
    "--val-fraction": ("0.25", []),
    "--data-root": ("downloads", []),
    "--augment": ("blit", []),
    "--extra": ("[{operation: RandomInvert, p: 0.5}]", []),
    "--aug": ("none", []),
    "--p": ("0.3", ["--aug", "fixed"]),
    "--heuristic": ("rv", ["--val-fraction", "0.25"]),
    "--target": ("0.5", []),
    "--transfer": ("source", []),
    "--freeze-d": ("1", []),
    "--batch": ("4", []),
    "--microbatch": ("2", []),
    "--memory": ("8GB", []),
    "--precision": ("bf16", []),
    "--metrics": ("kid", []),
    "--extractor": ("random", []),
    "--inception-weights": ("weights.pth", ["--metrics", ""]),
    "--fakes": ("30", []),
    "--metric-data": ("other", []),
    "--patience": ("1", []),
    "--seed": ("5", []),
    "--device": ("cpu", []),
    "--cond": ("", []),
    "--compile": ("", []),
    "--deterministic": ("", []),
    "--fast-reduce": ("", []),
    "--mirror": ("", []),
}
SAME_AS_WITHOUT = {"--extractor", "--device"}
"""Here, without weights or an accelerator, the default arrives at the same value."""

CHOSEN_BY = {"--memory": "training.microbatch"}
"""What is stored in the place of a flag's own setting."""

PATHS = {
    "--data",
    "--metric-data",
    "--data-root",
    "--inception-weights",
    "--transfer",
    "--init-discriminator",
}
"""Kept as absolute paths, so that a run can be continued from another folder."""


@pytest.fixture
def other(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for index in range(16):
        picture = np.full((16, 16, 3), 10 * index, np.uint8)
        Image.fromarray(picture).save(tmp_path / "other" / f"{index}.png")


@pytest.fixture
def source(tmp_path: Path) -> None:
    """A run, as far as a dry run looks into it."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "config.yaml").write_text("{}")
    fits = {"mapping.layers.0.bias": torch.zeros(8)}  # the length of the styles of TINY
    networks: dict[str, dict] = {"generator": fits, "discriminator": {}, "average": fits}
    save_checkpoint(tmp_path / "source" / "checkpoint.pt", networks)


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes half a minute, and changes no setting."""
    monkeypatch.setattr("adavit.training.start.build.compiled_slices", lambda written: written)


@pytest.fixture
def trunk(tmp_path: Path) -> None:
    """What `adavit pretrain` would have written, of one block."""
    arguments = {**VIT, "resolution": 16, "patch": 2, "width": 16, "depth": 1, "heads": 2}
    save_trunk(
        tmp_path / "trunk.safetensors",
        make_vit(**{**arguments, "mlp_ratio": 2.0}).encoder,
        arguments={**arguments, "mlp_ratio": 2.0},
        config={},
        data_fingerprint="",
        images=0,
        figures={},
    )


@pytest.fixture
def frozen(tmp_path: Path) -> None:
    """Weights of a network for features."""
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeeze.pth")


def settings(adavit: Adavit, *flags: str) -> dict[str, dict[str, object]]:
    """The resolved settings that a dry run prints."""
    tiny = [f for f in TINY if f not in ("--extractor", "random")]
    options = ["--set", "metrics.extractor=random", *tiny]
    if "--budget" in flags:  # a length in images beside it is refused
        start = options.index("--kimg")
        del options[start : start + 2]
    if "resnet" in flags:  # the keys of the small ViT are no keys of a resnet
        start = options.index("--discriminator")
        del options[start : start + 8]
    outcome = adavit("train", "--data", "pictures", *options, *flags, "--dry-run")
    assert outcome.code == 0, outcome.err
    text = outcome.out
    start = text.index("data:\n")
    loaded: dict[str, dict[str, object]] = yaml.safe_load(text[start : text.index("generator  ")])
    return loaded


@pytest.fixture(scope="module")
def found_without() -> dict[str, dict[str, object]]:
    """The settings without a flag, once a test has asked for them; those compared here are the same in every folder."""
    return {}


def test_every_flag_is_tried_here() -> None:
    assert {flag for flag, _ in SETTINGS} == set(GIVEN)


@pytest.mark.usefixtures(
    "pictures", "other", "source", "trunk", "frozen", "uncompiled", "unforeseen"
)
@pytest.mark.parametrize(("flag", "key"), SETTINGS)
def test_a_flag_arrives_at_its_setting(
    adavit: Adavit, found_without: dict[str, dict[str, object]], flag: str, key: str
) -> None:
    value, needs = GIVEN[flag]
    section, field = CHOSEN_BY.get(flag, key).split(".")
    if not found_without:
        found_without.update(settings(adavit))
    without = found_without[section].get(field)
    found = settings(adavit, flag, *([value] if value else []), *needs)[section][field]
    expected = yaml.safe_load(value) if value else True
    if flag in ("--metrics", "--extractor"):  # lists, of which a flag names one
        expected = [value]
    if flag in PATHS:
        expected = str(Path(value).absolute())
        found = str(Path(str(found)).absolute())
    if flag in CHOSEN_BY:
        expected = 8  # the whole batch
    assert found == expected
    if flag not in SAME_AS_WITHOUT:
        assert found != without


def test_a_dry_run_prints_the_plan_and_leaves_nothing(adavit: Adavit, pictures: Path) -> None:
    outcome = adavit("train", "--data", pictures, "--dry-run", *TINY)
    assert outcome.code == 0, outcome.err
    for word in (
        "M parameters",
        "GiB at the peak",
        "images/s",
        "seconds for 0.032 kimg",
        "r1_gamma: ",
    ):
        assert word in outcome.out
    assert not Path("runs").exists()


def test_precedence_is_preset_file_set_flag(adavit: Adavit, pictures: Path) -> None:
    Path("mine.yaml").write_text("training: {batch: 4, r1_gamma: 7}\nmetrics: {fakes: 30}\n")
    layers = ["--preset", "smoke", "--config", "mine.yaml", "--set", "training.r1_gamma=8"]
    outcome = adavit("train", "--data", pictures, *layers, "--batch", "6", "--dry-run")
    assert outcome.code == 0, outcome.err
    for line in ("batch: 6", "r1_gamma: 8.0", "fakes: 30", "channel_base: 128"):
        assert line in outcome.out


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--max-restarts", "2"], "--max-restarts is 2, but nothing starts processes anew without"),
        (
            ["--processes", "2", "--dry-run", "--microbatch", "3", "--batch", "9"],
            "training.batch is 9 and training.microbatch 3, which makes 3 slices, but 2 processes",
        ),
        (["--processes", "2", "--max-restarts", "1"], "--max-restarts is 1, but there is no --out"),
        (
            ["--processes", "2", "--max-restarts", "1", "--dry-run"],
            "--max-restarts is 1, but there is no --out",
        ),
    ],
)
def test_flags_of_processes_that_do_not_go_together_are_refused(
    adavit: Adavit, pictures: Path, flags: list[str], line: str
) -> None:
    outcome = adavit("train", "--data", pictures, *flags)
    assert outcome.code == 2
    assert outcome.err.startswith(f"Error: {line}")
    assert not Path("runs").exists()


def test_torchrun_has_the_last_word_on_the_number_of_processes(
    adavit: Adavit, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    outcome = adavit("train", "--data", pictures, "--processes", 2)
    assert outcome.code == 2
    assert outcome.err.startswith(
        "Error: --processes is 2, but torchrun or srun has started 4, expected"
    )


@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--resume", "a"]])
def test_several_processes_are_refused_on_windows(
    adavit: Adavit, pictures: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    monkeypatch.setattr("adavit.cli.train.launch", pytest.fail)
    monkeypatch.setattr(sys, "platform", "win32")
    outcome = adavit("train", "--data", pictures, "--processes", 2, *flags)
    assert outcome.code == 2
    assert outcome.err == (
        "Error: --processes is 2, but several processes do not train together on Windows, expected 1. Leave it out,"
        " or use WSL.\n"
    )


def test_processes_are_launched_with_the_whole_command(
    adavit: Adavit, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[object] = []

    def launch(processes: int, arguments: list[str], *, restarts: int) -> int:
        launched.append((processes, arguments, restarts))
        return 143

    monkeypatch.setattr("adavit.cli.train.launch", launch)
    command = ["train", "--data", str(pictures), "--out", "a", "--processes", "3"]
    assert adavit(*command, "--max-restarts", "1").code == 143
    assert launched == [(3, [*command, "--max-restarts", "1"], 1)]
    assert adavit("train", "--resume", "a", "--processes", "2").code == 143
    assert launched[1] == (2, ["train", "--resume", "a", "--processes", "2"], 0)
    assert adavit("train", "--data", "nowhere", "--processes", "2").code == 2  # told once, here
    assert len(launched) == 2


@pytest.mark.slow
def test_processes_end_with_the_bits_of_one(pictures: Path) -> None:
    """By the command line, from the first process to the last; started by it, or by srun."""

    def started(*flags: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "adavit", "train", "--data", str(pictures), *TINY, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment},
        )

    srun = {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURM_NODEID": "0",
    }
    tasks = [{**srun, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(2)]
    for commands in (
        [started("--out", "one", "--microbatch", "4")],
        [started("--out", "two", "--processes", "2")],
        [started("--out", "three", **task) for task in tasks],
    ):
        told = [command.communicate(timeout=120) for command in commands]
        assert [command.returncode for command in commands] == [0] * len(commands)
        assert [errors for _, errors in told] == [""] * len(commands)
        assert "".join(printed for printed, _ in told).count("Finished at 0.032 kimg") == 1
    one, *others = [
        torch.load(f"{run}/checkpoint.pt", weights_only=True) for run in ("one", "two", "three")
    ]
    for other in others:
        for part in ("generator", "discriminator", "average", "generator_optimizer", "probability"):
            assert_same_bits(other[part], one[part])


def test_an_unreadable_image_is_named_and_not_fatal(adavit: Adavit, pictures: Path) -> None:
    (pictures / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    outcome = adavit("train", "--data", pictures, "--out", "run", "--metrics", "", *TINY)
    assert outcome.code == 0, outcome.err
    assert "broken.png" in outcome.out
    skipped = json.loads(Path("run/data.json").read_text())["skipped"]
    assert [item["name"] for item in skipped] == ["dark/broken.png"]


@pytest.mark.parametrize("flags", [[], ["--preset", "smoke"], ["--set", "training.batch=8"]])
def test_without_images_it_is_a_mistake_that_names_the_demonstration(
    flags: list[str], adavit: Adavit, tmp_path: Path
) -> None:
    outcome = adavit("train", *flags)
    assert outcome.code == 2
    assert "adavit train --data small_set" in outcome.err
    assert not (tmp_path / "runs").exists()


def test_a_file_or_an_assignment_may_name_the_images(adavit: Adavit, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("data: {source: nowhere}")
    for flags in (["--config", "mine.yaml"], ["--set", "data.source=nowhere"]):
        outcome = adavit("train", *flags)
        assert "nowhere" in outcome.err
        assert "demonstration" not in outcome.err
