import json
import shlex
from pathlib import Path

import pytest
import torch

from adavit.cli.pretrain import command
from adavit.config.layers import build_config
from adavit.config.run import RunConfig
from adavit.pretraining.directory import PretrainingDirectory
from adavit.runs.checkpoint import load_checkpoint
from adavit.runs.trunk_file import read_trunk
from adavit.runtime.console import SilentConsole, Status
from adavit.training.train import train
from tests.checkpoints import undo_training
from tests.cli.conftest import TINY, Adavit, named_settings

SMALL = (
    "--set discriminator.width=16 --set discriminator.heads=2 --set discriminator.depth=1 --kimg"
    " 0.032 --batch 8"
).split()
FILE = Path("pretrained/trunk.safetensors")


@pytest.fixture
def trunk(adavit: Adavit, pictures: Path) -> Path:
    outcome = adavit("pretrain", "--data", pictures, "--out", "pretrained", *SMALL)
    assert outcome.code == 0, outcome.err
    assert "training accuracy" in outcome.out
    return FILE


def test_a_flag_arrives_at_its_setting(adavit: Adavit, pictures: Path) -> None:
    flags = {
        "--data": "pictures",
        "--out": "there",
        "--kimg": "0.016",
        "--resolution": "8",
        "--fit": "stretch",
        "--channels": "grey",
        "--frames": "all",
        "--scale-16bit": "set",
        "--subset": "12",
        "--val-fraction": "0.25",
        "--data-root": "downloads",
        "--batch": "4",
        "--seed": "5",
        "--device": "cpu",
    }
    assert {*flags, "--follow-links"} == {flag for flag, _ in named_settings(command)}
    given = [word for pair in flags.items() for word in pair]
    given += ["--follow-links", "--set", "pretraining.weight_decay=0.1"]
    outcome = adavit("pretrain", *SMALL[:6], *given)
    assert outcome.code == 0, outcome.err
    stored = read_trunk(Path("there/trunk.safetensors"))
    assert stored.images == 16
    assert stored.config["data"]["source"] == f"./{pictures.name}"  # names only: it is handed on
    kept = load_checkpoint(PretrainingDirectory(Path("there")).checkpoint)["config"]["data"]
    assert kept["source"] == str(pictures)
    assert Path(kept["data_root"]).name == "downloads"
    assert stored.config["data"]["val_fraction"] == 0.25
    assert stored.config["data"]["follow_links"] is True
    assert stored.config["pretraining"]["batch"] == 4
    assert stored.config["pretraining"]["weight_decay"] == 0.1
    assert stored.config["run"]["seed"] == 5
    assert (stored.arguments["resolution"], stored.arguments["image_channels"]) == (8, 1)
    assert "Training on 12 images; 3 held out." in outcome.out


def test_without_images_nothing_is_trained(adavit: Adavit) -> None:
    """It trained on small_set, which nobody had asked for."""
    for words in ([], ["--set", "data.mirror=true"]):
        outcome = adavit("pretrain", "--out", "no", *SMALL, *words)
        assert outcome.code == 2, outcome.out
        assert "there are no images to train on, expected --data" in outcome.err
        assert "adavit pretrain --data small_set; to go on, --resume RUN." in outcome.err
        assert outcome.err.count("\n") == 1
    assert not Path("no").exists()


def test_the_command_that_it_ends_with_can_be_typed(adavit: Adavit, pictures: Path) -> None:
    pictures.rename("my pictures")
    flags = ["--data", "my pictures", "--out", "my trunk", *SMALL]
    outcome = adavit("pretrain", *flags)
    assert outcome.code == 0, outcome.err
    command = outcome.out.splitlines()[-1].removeprefix("Train with it: ")
    assert shlex.split(command) == [
        *("adavit", "train", "--data", "my pictures", "--discriminator", "vit"),
        *("--init-discriminator", "my trunk/trunk.safetensors", "--resolution", "16"),
        *("--set", "discriminator.width=16", "--set", "discriminator.depth=1"),
        *("--set", "discriminator.heads=2"),
    ]
    typed = adavit(*shlex.split(command)[1:], *TINY, "--dry-run")
    assert typed.code == 0, typed.err
    again = adavit("pretrain", *flags)
    assert again.code == 2
    assert "go on with that one: adavit pretrain --resume 'my trunk'." in again.err


def test_a_file_of_settings_is_read(adavit: Adavit, pictures: Path) -> None:
    Path("mine.yaml").write_text("pretraining: {total_kimg: 0.008, batch: 8}\n")
    outcome = adavit(
        "pretrain", "--data", pictures, "--config", "mine.yaml", "--out", "there", *SMALL[:6]
    )
    assert outcome.code == 0, outcome.err
    assert read_trunk(Path("there/trunk.safetensors")).images == 8


class KeepsFirstCheckpoint(SilentConsole):
    """Copies the checkpoint of image 0 before the one after it replaces it."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.state: dict = {}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def status(self, status: Status) -> None:
        if not self.state:
            self.state = torch.load(Path("run/checkpoint.pt"), weights_only=True)


def at_image_0(**changes: dict) -> tuple[dict, list[str]]:
    Path("run").mkdir()
    console = KeepsFirstCheckpoint()
    base = {
        "data": {"source": "pictures", "cond": True},
        "generator": {"latent_dim": 8, "style_dim": 8, "channel_base": 64, "channel_max": 8},
        "discriminator": {"kind": "vit", "width": 16, "heads": 2, "depth": 1},
        "training": {"total_kimg": 0.008, "batch": 8},
        "metrics": {"names": ""},
        "run": {"out": "run"},
    }
    config: RunConfig = build_config([base, changes])
    train(config, console=console)
    assert console.state["progress"]["images"] == 0
    Path("run").rename(f"run-{len(list(Path.cwd().iterdir()))}")
    return console.state, console.notes


def test_a_run_differs_at_image_0_by_the_trunk_and_nothing_else(trunk: Path) -> None:
    without, _ = at_image_0()
    found, notes = at_image_0(training={"init_discriminator": str(trunk)})
    stored = read_trunk(trunk).state()
    assert any(note.startswith(f"Loaded {len(stored)} of {len(stored)}") for note in notes)
    for name, tensor in found["discriminator"].items():
        if name.startswith("encoder."):
            assert torch.equal(tensor, stored[name.removeprefix("encoder.")]), name
        else:
            assert torch.equal(tensor, without["discriminator"][name]), name
    trained = "encoder.blocks.0.mlp.0.weight"
    assert not torch.equal(found["discriminator"][trained], without["discriminator"][trained])
    for network in ("generator", "average"):
        for name, tensor in found[network].items():
            assert torch.equal(tensor, without[network][name]), name
    for key in ("generator_optimizer", "discriminator_optimizer", "probability", "fingerprint"):
        assert repr(found[key]) == repr(without[key]), key  # small; of an optimiser, no moments yet
    recorded = found["config"]["training"].pop("init_discriminator")
    assert recorded == str(trunk.absolute())
    without["config"]["training"].pop("init_discriminator")
    assert found["config"] == without["config"]


@pytest.mark.slow
def test_a_resumed_run_does_not_need_the_file(adavit: Adavit, trunk: Path, pictures: Path) -> None:
    flags = ["--data", pictures, "--init-discriminator", trunk, *TINY, "--metrics", ""]
    assert adavit("train", "--out", "whole", *flags, "--kimg", "0.064").code == 0
    assert adavit("train", "--out", "run", *flags).code == 0
    trunk.unlink()
    resumed = adavit("train", "--resume", "run", "--kimg", "0.064")
    assert resumed.code == 0, resumed.err
    assert "Loaded" not in resumed.out
    states = [torch.load(f"{run}/checkpoint.pt", weights_only=True) for run in ("whole", "run")]
    for name, tensor in states[0]["discriminator"].items():
        assert torch.equal(tensor, states[1]["discriminator"][name]), name


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_begins_with_the_trunk_again(
    adavit: Adavit, trunk: Path, pictures: Path
) -> None:
    flags = ["--data", pictures, "--init-discriminator", trunk, *TINY, "--metrics", ""]
    adavit("train", "--out", "run", *flags)
    first = torch.load("run/checkpoint.pt", weights_only=True)["discriminator"]
    undo_training(Path("run"))
    again = adavit("train", "--resume", "run")
    assert again.code == 0, again.err
    assert "Loaded" in again.out
    second = torch.load("run/checkpoint.pt", weights_only=True)["discriminator"]
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_another_file_on_resume_is_an_error(adavit: Adavit, trunk: Path, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "run", *TINY, "--metrics", "")
    outcome = adavit("train", "--resume", "run", "--init-discriminator", trunk)
    assert outcome.code == 2
    assert "training.init_discriminator is" in outcome.err
    assert "was started with None" in outcome.err


def test_wrong_files_and_settings_have_exit_code_2(
    adavit: Adavit, trunk: Path, pictures: Path
) -> None:
    Path("text.safetensors").write_text("no weights")
    adavit("train", "--data", pictures, "--out", "run", *TINY, "--metrics", "")
    generator = "run/generator-last.safetensors"
    for name in ("absent.safetensors", "text.safetensors", generator, "run"):
        for dry in ([], ["--dry-run"]):
            outcome = adavit(
                "train",
                "--data",
                pictures,
                "--out",
                "no",
                "--init-discriminator",
                name,
                *TINY,
                *dry,
            )
            assert outcome.code == 2, name
            assert outcome.err.count("\n") == 1
            assert "Expected a .safetensors file that adavit pretrain has written" in outcome.err
            assert not Path("no").exists()

    resnet = adavit("train", "--data", pictures, "--init-discriminator", trunk, "--out", "no")
    assert resnet.code == 2
    assert "the trunk of a ViT, but discriminator.kind is resnet. Use --disc" in resnet.err

    wide = ["--set", "discriminator.width=24", "--set", "discriminator.patch=4"]
    other = adavit(
        "train", "--data", pictures, "--init-discriminator", trunk, "--out", "no", *TINY, *wide
    )
    assert other.code == 2
    assert "width is 24, there 16" in other.err
    assert not Path("no").exists()


def test_pretraining_says_what_is_wrong(adavit: Adavit, pictures: Path) -> None:
    for flags, message in (
        (["--set", "discriminator.kind=resnet"], "expected 'vit'"),
        (["--set", "pretraining.learning_rat=1"], "Did you mean pretraining.learning_rate?"),
        (["--data", "nowhere"], "nowhere"),
        (["--kimg", "many"], "pretraining.total_kimg is 'many'"),
    ):
        outcome = adavit("pretrain", "--data", pictures, "--out", "no", *flags)
        assert outcome.code == 2, outcome.out
        assert message in outcome.err
        assert not Path("no").exists()


def test_the_trunk_is_usable_from_a_dry_run(adavit: Adavit, trunk: Path, pictures: Path) -> None:
    outcome = adavit("train", "--data", pictures, "--init-discriminator", trunk, *TINY, "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "Loaded" in outcome.out
    assert f"init_discriminator: {trunk}" in outcome.out


def test_the_log_is_json_lines(trunk: Path) -> None:
    lines = trunk.with_name("pretraining.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["images"] == 32
