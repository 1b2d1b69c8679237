import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from adavit.runtime.files import write_bytes
from tests.cli.conftest import TINY, Adavit


def test_train_evaluate_and_generate_work_together(adavit: Adavit, pictures: Path) -> None:
    trained = adavit("train", "--data", pictures, "--out", "run", "--cond", *TINY)
    assert trained.code == 0, trained.err
    assert "Classes: 2" in trained.out
    assert "total_kimg: 0.032" in trained.out

    scored = adavit("evaluate", "run", "--extractor", "random", "--which", "last")
    assert scored.code == 0, scored.err
    record = json.loads(scored.out)
    in_training = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert record["fd_random"] == in_training["fd_random"]
    protocol = record["protocol"]
    assert protocol.pop("settings").items() >= in_training["protocol"].pop("settings").items()
    assert protocol == {**in_training["protocol"], "name": None}

    drawn = adavit(
        "generate", "run", "--seeds", "0-3,7", "--class", "dark", "--grid", "--out", "drawn"
    )
    assert drawn.code == 0, drawn.err
    names = sorted(path.name for path in Path("drawn").iterdir())
    assert names == ["grid.png", *(f"seed{seed:04d}.png" for seed in (0, 1, 2, 3, 7))]
    assert Image.open("drawn/seed0000.png").size == (16, 16)

    # A seed gives the same image whichever others are asked for, from the run and from its file.
    adavit(
        "generate", "run/generator-best.safetensors", "--seeds", "7", "--class", "0", "--out", "one"
    )
    assert Path("one/seed0007.png").read_bytes() == Path("drawn/seed0007.png").read_bytes()

    again = adavit("train", "--resume", "run")
    assert again.code == 0
    assert "is finished" in again.out

    folder = adavit(
        "evaluate", "drawn", "--data", pictures, "--extractor", "random", "--metrics", "kid"
    )
    assert folder.code == 0, folder.err
    assert "fd_random" not in json.loads(folder.out)


def test_truncation_and_class_change_the_images(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "run", "--cond", *TINY, "--metrics", "")
    for name, flags in {
        "plain": ["--class", "dark"],
        "other": ["--class", "light"],
        "truncated": ["--class", "dark", "--truncation", "0"],
    }.items():
        outcome = adavit("generate", "run", "--seeds", "0,1", "--out", name, *flags)
        assert outcome.code == 0, outcome.err
    picture = {path: path.read_bytes() for path in Path().glob("*/seed*.png")}
    assert picture[Path("plain/seed0000.png")] != picture[Path("other/seed0000.png")]
    assert picture[Path("plain/seed0000.png")] != picture[Path("plain/seed0001.png")]
    assert picture[Path("truncated/seed0000.png")] != picture[Path("plain/seed0000.png")]


def test_a_dry_run_prints_the_plan_and_leaves_nothing(adavit: Adavit, pictures: Path) -> None:
    outcome = adavit("train", "--data", pictures, "--dry-run", *TINY)
    assert outcome.code == 0, outcome.err
    for word in (
        "M parameters",
        "GiB at the peak",
        "images/s",
        "minutes for 0.032 kimg",
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
    ("arguments", "message"),
    [
        ("train --data nowhere", "nowhere"),
        ("train --data smal_set", "small_set"),
        ("train --data pictures --resolution 17", "data.resolution is 17"),
        ("train --data pictures --aug fixed", "Give --p"),
        ("train --data pictures --kimg many", "training.total_kimg is 'many'"),
        ("train --data pictures --discriminator cnn", "expected vit or resnet"),
        ("train --data pictures --device cuda", "--device cuda is not available"),
        ("train --data pictures --augment bcg", "augment.preset is 'bcg'"),
        ("train --data pictures --set batch=3", "expected SECTION.KEY=VALUE"),
        ("train --data pictures --set run.seed=2001-99-99", "run.seed"),
        ("train --data pictures --metric-data nowhere", "--metric-data"),
        (
            "train --data pictures --aug fixed --p 1 --augment diffaug --set augment.xflip=1",
            "augment.xflip",
        ),
        ("evaluate pictures --data pictures --truncation 0.5", "Leave it out"),
        ("train --data pictures --set training.bacth=3", "Did you mean training.batch"),
        ("train --data pictures --preset nothing", "--preset 'nothing' is unknown"),
        ("train --data pictures --config nothing.yaml", "nothing.yaml"),
        ("train --data pictures --subset 900", "900"),
        ("train --data pictures --heuristic rv", "no images are held out"),
        ("train --data pictures --inception-weights nothing.pth", "nothing.pth"),
        ("train --data pictures --extractor inception", "inception"),
        ("train --data pictures --out pictures", "is not empty"),
        ("train --data flat --cond", "has no classes"),
        ("train --data flat/1.png", "flat/1.png"),
        ("train --data empty", "empty"),
        ("train --resume nothing", "is not a run directory"),
        ("train --resume pictures --dry-run", "--dry-run and --resume"),
        ("train --daat pictures", "--data"),
        ("evaluate nothing", "SOURCE 'nothing'"),
        ("evaluate flat/1.safetensors", "1.safetensors"),
        ("evaluate pictures --data pictures --metrics is", "is"),
        ("evaluate pictures --data pictures --fakes 99 --extractor random", "has 24."),
        ("generate nothing --seeds 0 --out x", "nothing"),
        ("generate flat/1.safetensors --seeds 0 --out x", "cannot be used"),
        ("generate pictures --seeds 0 --out x", "is not a run directory"),
        ("generate pictures --seeds 9-1 --out x", "--seeds"),
        ("trian", "trian"),
    ],
)
def test_what_the_user_can_mend_is_one_clear_line_and_code_2(
    adavit: Adavit,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: str,
    message: str,
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("socket.getaddrinfo", _offline)
    Path("flat").mkdir()
    for name in ("1", "2"):
        Image.new("RGB", (16, 16), (name == "1" and "red") or "blue").save(f"flat/{name}.png")
    Path("flat/1.safetensors").write_bytes(b"\xff" * 40)
    Path("empty").mkdir()
    outcome = adavit(*arguments.split())
    assert outcome.code == 2, (outcome.out, outcome.err)
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    errors = [line for line in outcome.err.splitlines() if line.startswith("Error")]
    assert len(errors) == 1
    assert not Path("runs").exists()


def _offline(*_: object, **__: object) -> None:
    raise OSError(-2, "Name or service not known")


@pytest.mark.parametrize(
    "arguments", ["--help", "train --help", "evaluate --help", "generate --help", "--version"]
)
def test_help_is_there(adavit: Adavit, arguments: str) -> None:
    outcome = adavit(*arguments.split())
    assert outcome.code == 0
    assert "adavit" in outcome.out


def test_a_full_disk_is_code_1_and_says_what_to_do(
    adavit: Adavit, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == "checkpoint.pt":
            with Path("/dev/full").open("wb") as device:
                device.write(content)
        write_bytes(path, content)

    monkeypatch.setattr("adavit.runs.checkpoint.write_bytes", full)
    outcome = adavit("train", "--data", pictures, "--out", "run", *TINY)
    assert outcome.code == 1
    assert "disk is full" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_folder_that_may_not_be_written_is_code_2(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "run", *TINY, "--metrics", "")
    outcome = adavit("generate", "run", "--seeds", "0", "--out", "/proc/self")
    assert outcome.code == 2
    assert "cannot be used" in outcome.err


def test_out_of_memory_is_code_1(adavit: Adavit, pictures: Path) -> None:
    outcome = adavit("train", "--data", pictures, *TINY, "--batch", "2000000000", "--dry-run")
    assert outcome.code == 1
    assert "out of memory" in outcome.err


def test_a_conditional_run_is_evaluated_with_the_labels_it_was_trained_on(
    adavit: Adavit, pictures: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for index, path in enumerate(sorted(pictures.rglob("*.png"))):
        (flat / f"{index}.png").write_bytes(path.read_bytes())
    adavit("train", "--data", pictures, "--metric-data", flat, "--cond", "--out", "run", *TINY)
    scored = adavit("evaluate", "run", "--extractor", "random", "--which", "last")
    assert scored.code == 0, scored.err
    in_training = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert json.loads(scored.out)["fd_random"] == in_training["fd_random"]


def test_the_module_starts_without_torch() -> None:
    code = "import sys, adavit.cli.main; assert 'torch' not in sys.modules, 'torch is imported'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unreadable_image_is_named_and_not_fatal(adavit: Adavit, pictures: Path) -> None:
    (pictures / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    outcome = adavit("train", "--data", pictures, "--out", "run", "--metrics", "", *TINY)
    assert outcome.code == 0, outcome.err
    assert "broken.png" in outcome.out
    skipped = json.loads(Path("run/data.json").read_text())["skipped"]
    assert [item["name"] for item in skipped] == ["dark/broken.png"]
