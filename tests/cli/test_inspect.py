import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.models import mobilenet_v3_small

from adavit.diagnostics.discriminator import inspection
from adavit.runs.checkpoint import load_checkpoint
from tests.checkpoints import save_checkpoint
from tests.cli.conftest import TINY, Adavit

# Three images a side are enough to see that they are drawn.
pytestmark = pytest.mark.usefixtures("few_shown")

ALL = ["attention.png", "images.png", "inspection.json", "logits.png", "patches.png"]


@pytest.fixture
def mobilenet(tmp_path: Path) -> Path:
    path = tmp_path / "mobile.pth"
    torch.manual_seed(0)
    torch.save(mobilenet_v3_small(weights=None).state_dict(), path)
    return path


@pytest.fixture
def few_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "SHOWN", 3)


def test_inspect_looks_at_a_run_of_a_vit(adavit: Adavit, pictures: Path) -> None:
    trained = adavit(
        "train", "--data", pictures, "--out", "run", "--cond", "--val-fraction", "0.25", *TINY
    )
    assert trained.code == 0, trained.err

    seen = adavit("inspect", "run", "--images", "20")
    assert seen.code == 0, seen.err
    assert "Discriminator of run at 0.032 kimg, on pictures" in seen.out
    assert "block 1" in seen.out
    assert seen.out.splitlines()[-1] == (
        "Wrote inspection.json, logits.png, attention.png, patches.png, positions.png and images.png"
        " in run/diagnostics."
    )
    folder = Path("run/diagnostics")
    assert sorted(path.name for path in folder.iterdir()) == sorted([*ALL, "positions.png"])
    for picture in folder.glob("*.png"):
        Image.open(picture).verify()
    record = json.loads((folder / "inspection.json").read_text())
    counts = {
        kind: record["protocol"][f"n_{kind}"] for kind in ("training", "heldout", "generated")
    }
    assert counts == {"training": 19, "heldout": 5, "generated": 20}
    assert list(record["encoder"]) == ["training", "generated"]
    assert [layer["name"] for layer in record["encoder"]["training"]["attention"]] == ["block 1"]
    assert len(record["encoder"]["generated"]["attention"][0]["distance_px"]) == 2
    assert len(record["rollout"]["training"]["mean_map"]) == 8
    assert isinstance(record["alarms"], list)
    assert record["not_judged"] == []

    again = adavit("inspect", "run/checkpoint.pt", "--images", "20", "--out", "again")
    assert again.code == 0, again.err
    second = json.loads(Path("again/inspection.json").read_text())
    assert second["protocol"].pop("source") == "run/checkpoint.pt"
    assert record["protocol"].pop("source") == "run"
    assert second == record


def test_a_run_of_oblong_patches_with_their_masked_term_is_looked_at_too(
    adavit: Adavit, pictures: Path
) -> None:
    weight = ("--set", "training.masked_patch_weight=0.1", "--set", "discriminator.patch=8x4")
    trained = adavit("train", "--data", pictures, "--out", "run", *TINY, *weight)
    assert trained.code == 0, trained.err
    seen = adavit("inspect", "run", "--images", "8")
    assert seen.code == 0, seen.err
    record = json.loads(Path("run/diagnostics/inspection.json").read_text())
    assert [len(row) for row in record["rollout"]["training"]["mean_map"]] == [4, 4]


def test_other_data_count_as_held_out(adavit: Adavit, pictures: Path) -> None:
    assert adavit("train", "--data", pictures, "--out", "run", *TINY).code == 0
    shutil.copytree(pictures, "others")
    next(Path("others").rglob("*.png")).unlink()
    seen = adavit("inspect", "run", "--data", "others", "--images", "9", "--out", "x")
    assert seen.code == 0, seen.err
    assert "taken for held-out ones" in seen.err
    record = json.loads(Path("x/inspection.json").read_text())
    assert record["protocol"]["n_heldout"] == 9
    assert "training" not in record["logits"]
    assert list(record["saliency"]) == ["heldout", "generated"]
    assert len(record["not_judged"]) == 2
    assert all(line in seen.out.splitlines() for line in record["not_judged"])
    state = load_checkpoint(Path("run/checkpoint.pt"))
    head = ("head.dense.weight", "head.dense.bias")
    for value, message in (
        (3e38, "that are not finite"),
        (math.nan, "head.dense.weight are not finite"),
    ):
        for name in head:
            state["discriminator"][name].fill_(value)
        save_checkpoint(Path("diverged.pt"), state)
        diverged = adavit("inspect", "diverged.pt", "--images", "9", "--out", "y")
        assert diverged.code == 2
        assert message in diverged.err
    shutil.rmtree(pictures)
    shutil.copytree("others", pictures)
    changed = adavit("inspect", "run")
    assert changed.code == 2
    assert "their fingerprint differs" in changed.err


def test_a_resnet_gets_what_applies_to_it(adavit: Adavit, pictures: Path) -> None:
    flags = [flag for flag in TINY if flag not in ("--discriminator", "vit")]
    flags = " ".join(flags).replace("discriminator.width=16", "discriminator.channel_base=64")
    flags = flags.replace("discriminator.heads=2", "discriminator.channel_max=8")
    flags = flags.replace("--set discriminator.depth=1", "--discriminator resnet")
    trained = adavit("train", "--data", pictures, "--out", "run", *flags.split())
    assert trained.code == 0, trained.err
    seen = adavit("inspect", "run", "--images", "8")
    assert seen.code == 0, seen.err
    assert "The discriminator is convolutional" in seen.out
    names = sorted(path.name for path in Path("run/diagnostics").iterdir())
    assert names == ["images.png", "inspection.json", "logits.png"]
    record = json.loads(Path("run/diagnostics/inspection.json").read_text())
    assert "encoder" not in record
    assert record["logits"]["generated"]["images"] == 8
    (unknown,) = record["not_judged"]
    assert "8 training and 0 held-out images. A run with a larger --val-fraction" in unknown
    assert unknown in seen.out.splitlines()


def test_of_a_loss_without_a_threshold_no_sign_is_told(adavit: Adavit, pictures: Path) -> None:
    flags = ["--set", "training.loss=relativistic", "--heuristic", "rt"]
    trained = adavit("train", "--data", pictures, "--out", "run", *flags, *TINY)
    assert trained.code == 0, trained.err
    seen = adavit("inspect", "run", "--images", "8")
    assert seen.code == 0, seen.err
    assert "above 0" not in seen.out
    assert "Warning: r_t is undefined for this loss" in seen.out


@pytest.mark.slow
def test_a_critic_on_frozen_features_is_asked_head_by_head(
    adavit: Adavit, pictures: Path, mobilenet: Path
) -> None:
    flags = ["--features", f"torchvision:mobilenet_v3_small:{mobilenet}", "--cond"]
    flags += ["--set", "features.mixing=scales", "--val-fraction", "0.25"]
    trained = adavit("train", "--data", pictures, "--out", "run", *flags, *TINY)
    assert trained.code == 0, trained.err
    seen = adavit("inspect", "run", "--images", "9")
    assert seen.code == 0, seen.err
    lines = seen.out.splitlines()
    title = "Heads on maps of mobilenet_v3_small, which sees images of 64 px:"
    head, *rows = lines[lines.index(title) + 2 :][:4]
    assert head.split() == (
        "mean logit training held-out generated apart AUC training AUC held-out right r_t r_v".split()
    )
    assert [row.split()[0] for row in rows] == ["discriminator", "features.1", "features.3"]
    record = json.loads(Path("run/diagnostics/inspection.json").read_text())
    features = record["features"]
    assert (features["network"], features["side"]) == ("mobilenet_v3_small", 64)
    assert features["heads"]["features.3"]["places"] == [5, 5]
    shown = f"{features['heads']['features.3']['generated']['mean']:+.2f}"
    assert rows[2].split()[3] == shown
    # What the checkpoint holds, not heads that were drawn: another training gives other verdicts.
    state = load_checkpoint(Path("run/checkpoint.pt"))
    state["features"]["heads.1.readout.dense.bias"].add_(1.0)
    save_checkpoint(Path("moved.pt"), state)
    assert adavit("inspect", "moved.pt", "--images", "9", "--out", "moved").code == 0
    moved = json.loads(Path("moved/inspection.json").read_text())["features"]["heads"]
    assert moved["features.1"] == features["heads"]["features.1"]
    assert moved["features.3"] != features["heads"]["features.3"]

    torch.manual_seed(1)
    torch.save(mobilenet_v3_small(weights=None).state_dict(), mobilenet)
    for reason in ("has other weights than the run began with", "names no file"):
        without = adavit("inspect", "run", "--images", "9", "--out", "without")
        assert without.code == 0, without.err
        (line,) = [line for line in without.out.splitlines() if "frozen features" in line]
        assert line.startswith("Warning: left out is what the heads on frozen features say: ")
        assert reason in line
        assert "leave --features out" not in line
        record = json.loads(Path("without/inspection.json").read_text())
        assert "features" not in record
        assert record["logits"]["generated"]["images"] == 9
        mobilenet.unlink(missing_ok=True)


def test_of_a_projected_discriminator_there_is_nothing_but_its_heads(
    adavit: Adavit, pictures: Path, mobilenet: Path
) -> None:
    generator = TINY[: TINY.index("--discriminator")]
    flags = [*generator, *"--discriminator projected --kimg 0.016 --batch 8 --metrics none".split()]
    network = ("--features", f"torchvision:mobilenet_v3_small:{mobilenet}")
    trained = adavit("train", "--data", pictures, "--out", "run", *flags, *network)
    assert trained.code == 0, trained.err
    seen = adavit("inspect", "run", "--images", "9")
    assert seen.code == 0, seen.err
    record = json.loads(Path("run/diagnostics/inspection.json").read_text())
    heads = record["features"]["heads"]
    means = [heads[name]["generated"]["mean"] for name in ("features.1", "features.3")]
    # Each head has as many places as the other.
    assert record["logits"]["generated"]["mean"] == pytest.approx(sum(means) / 2, abs=1e-5)
    mobilenet.unlink()
    without = adavit("inspect", "run", "--images", "9")
    assert without.code == 2
    assert "names no file" in without.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere", "there is no 'nowhere'"),
        ("folder", "is not a run directory"),
        ("young", "has no checkpoint.pt"),
        ("drawn.safetensors", "holds a generator"),
        ("broken.pt", "is damaged or not a checkpoint"),
        ("hostile.pt", "is damaged or not a checkpoint"),
        ("partial.pt", "cannot be used"),
        ("young --images 0", "--images"),
        ("young --device cuda", "--device cuda"),
    ],
)
def test_what_the_user_can_mend_is_one_clear_line_and_code_2(
    adavit: Adavit, arguments: str, message: str
) -> None:
    Path("folder").mkdir()
    Path("young").mkdir()
    Path("young/config.yaml").write_text("{}")
    Path("broken.pt").write_bytes(b"\xff" * 40)
    save_checkpoint(Path("hostile.pt"), {"config": Path("x")})
    save_checkpoint(Path("partial.pt"), {"config": {}})
    outcome = adavit("inspect", *arguments.split(), "--out", "out")
    assert outcome.code == 2, outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not Path("out").exists()


def test_help_is_there(adavit: Adavit) -> None:
    outcome = adavit("inspect", "--help")
    assert outcome.code == 0
    assert "RUN|FILE" in outcome.out
