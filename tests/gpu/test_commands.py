"""Every command that takes a device, once on it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn
from torchvision.models import resnet18, squeezenet1_1

from adavit.diagnostics.discriminator import inspection
from adavit.diagnostics.leaks import probe
from adavit.runtime.devices import has_bf16
from tests.adavit.conftest import draw_pictures
from tests.gpu.commands import apart, named, succeed, within

pytestmark = pytest.mark.gpu

SHORT = "--preset smoke --batch 8 --kimg 0.064 --fakes 20 --cond --val-fraction 0.25".split()
CADENCE = "--set run.status_every_kimg=0.016 --set metrics.every_kimg=0.032".split()
PARTS = ("generator", "discriminator", "average")


@pytest.fixture(scope="module")
def trained(device: torch.device, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, and a run of eight steps."""
    folder = tmp_path_factory.mktemp("runs")
    draw_pictures(folder / "pictures")
    data = ("--data", folder / "pictures", "--device", named(device))
    with within(folder):
        succeed("train", *data, *SHORT, *CADENCE, "--out", "whole")
    return folder


def copied(folder: Path, name: str) -> Path:
    """A run that a test may change."""
    return Path(shutil.copytree(folder / name, Path.cwd() / name))


def stored(run: str | Path) -> dict[str, Any]:
    """What a run's checkpoint holds, on the CPU."""
    state: dict[str, Any] = torch.load(
        Path(run) / "checkpoint.pt", weights_only=True, map_location="cpu"
    )
    return state


def write(network: nn.Module, path: str) -> None:
    torch.save(network.state_dict(), path)


def record_of(path: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_text())
    return found


def usual_precision(device: torch.device) -> str:
    """What a run gets that asks for none: bf16 where the device has units for it, as CUDA's from Ampere on have."""
    return "bf16" if has_bf16(device) else "float32"


def test_a_run_leaves_what_a_run_leaves(trained: Path, device: torch.device) -> None:
    whole = trained / "whole"
    records = [json.loads(line) for line in (whole / "stats.jsonl").read_text().splitlines()]
    assert [record["images"] for record in records] == [16, 32, 48, 64]
    for record in records:
        assert record["skipped_steps"] == 0
        assert all(np.isfinite(record[f"loss_{name}"]) for name in ("generator", "discriminator"))
        assert -1 <= record["r_t"] <= 1
    scores = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert scores[-1]["images"] == 64
    assert scores[-1]["fd_random"] > 0
    config = yaml.safe_load((whole / "config.yaml").read_text())
    assert config["training"]["precision"] == usual_precision(device)
    environment = record_of(whole / "environment.json")
    assert environment["device"] == str(device)
    assert (environment["accelerator"] is None) == (device.type == "cpu")


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_run_goes_on_where_it_was(
    trained: Path, device: torch.device, record_property: Callable[..., None], precision: str
) -> None:
    """With equal bits where the same run made again has them, else no further off than that one."""
    on = ("--device", named(device))
    words = (
        "train",
        "--data",
        trained / "pictures",
        *on,
        *SHORT,
        *CADENCE,
        "--precision",
        precision,
    )
    has_order = device.type != "cuda"
    succeed(*words, "--out", "whole")
    succeed(*words, "--kimg", "0.024", "--out", "half")  # between two moves of p
    succeed("train", "--resume", "half", "--kimg", "0.064", *on)
    resumed = {part: apart(Path("half"), Path("whole"), part) for part in PARTS}
    again = dict.fromkeys(PARTS, 0.0)
    if not has_order:
        succeed(*words, "--out", "again")
        again = {part: apart(Path("again"), Path("whole"), part) for part in PARTS}
    record_property("apart", f"resumed {resumed}, again {again}")
    order_of_sums = 0.0 if has_order else 1e-3
    assert all(resumed[part] <= 10 * again[part] + order_of_sums for part in PARTS), resumed


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_run_goes_on_on_the_other_device(
    trained: Path, device: torch.device, precision: str
) -> None:
    data = ("--data", trained / "pictures", *SHORT, "--set", f"training.precision={precision}")
    both = {"there": (named(device), "cpu"), "back": ("cpu", named(device))}
    for name, (first, second) in both.items():
        succeed("train", *data, "--kimg", "0.032", "--out", name, "--device", first)
        before = stored(name)
        said = succeed("train", "--resume", name, "--kimg", "0.064", "--device", second)
        assert "Finished at 0.064 kimg" in said
        state = stored(name)
        for part in PARTS:
            changed = [
                not torch.equal(value, before[part][key]) for key, value in state[part].items()
            ]
            assert any(changed), part
            assert all(
                value.isfinite().all()
                for value in state[part].values()
                if value.is_floating_point()
            )


def test_a_dry_run_says_memory_and_time(trained: Path, device: torch.device) -> None:
    said = succeed(
        "train", "--data", trained / "pictures", *SHORT, "--device", named(device), "--dry-run"
    )
    assert "images/s, measured now" in said
    peak = float(said.split("memory ")[1].split("GiB")[0])
    assert 0 <= peak < 64


def test_transfer(trained: Path, device: torch.device) -> None:
    data = ("--data", trained / "pictures", *SHORT, "--device", named(device))
    succeed("train", *data, "--transfer", trained / "whole", "--kimg", "0.016", "--out", "second")
    assert (Path("second") / "generator-last.safetensors").is_file()


def test_pretraining_and_a_start_from_it(trained: Path, device: torch.device) -> None:
    data = ("--data", trained / "pictures", "--device", named(device))
    sizes = "--set discriminator.width=32 --set discriminator.heads=2 --set discriminator.depth=1"
    said = succeed(
        "pretrain", *data, *sizes.split(), "--kimg", "0.064", "--batch", "8", "--out", "pretrained"
    )
    assert "training accuracy" in said
    trunk = "pretrained/trunk.safetensors"
    said = succeed(
        "train", *data, *SHORT, "--kimg", "0.016", "--init-discriminator", trunk, "--out", "from"
    )
    assert "Loaded" in said


@pytest.mark.parametrize("extractor", ["random", "torchvision:resnet18:resnet.pth"])
def test_evaluation_scores_as_the_cpu_does(
    trained: Path, device: torch.device, record_property: Callable[..., None], extractor: str
) -> None:
    """Of the same images; generators draw other ones on each device."""
    torch.manual_seed(0)
    Path("few").mkdir()
    if extractor != "random":
        write(resnet18(weights=None), "resnet.pth")
    succeed("generate", trained / "whole", "--seeds", "0-15", "--out", "drawn", "--device", "cpu")
    for path in sorted((trained / "pictures").rglob("*.png"))[::3]:
        shutil.copy(path, Path("few") / path.name)
    metrics = ("--metrics", "fid,kid,precision,recall,density,coverage", "--extractor", extractor)
    for where in ("cpu", named(device)):
        succeed(
            *("evaluate", "drawn", "--data", "few", *metrics),
            *("--device", where, "--out", f"{where}.json"),
        )
    expected, found = record_of("cpu.json"), record_of(f"{named(device)}.json")
    assert found["protocol"]["device"] == device.type
    scores = [name for name, value in expected.items() if isinstance(value, float)]
    assert len(scores) >= 6
    for name in scores:
        record_property(name, f"{found[name]:.9g} {expected[name]:.9g}")
        # Neighbourhoods count: a tie may fall on the other side.
        counts = any(name.startswith(each) for each in ("prec", "rec", "dens", "cov"))
        tolerance = 0.1 if counts else 1e-3 * max(1.0, abs(expected[name]))
        assert abs(found[name] - expected[name]) <= tolerance, name


def test_evaluation_of_a_generator(trained: Path, device: torch.device) -> None:
    metrics = "fid,kid,recall,ppl,fid_infinity"
    succeed(
        *("evaluate", copied(trained, "whole"), "--metrics", metrics, "--extractor", "random"),
        *("--fakes", "30", "--device", named(device), "--out", "record.json"),
    )
    record = record_of("record.json")
    assert {"fd_random", "recall_random", "ppl_random", "fd_infinity_random"} < record.keys()
    assert np.isfinite(record["ppl_random"])


def test_a_seed_gives_the_image_that_it_gives_on_the_cpu(
    trained: Path, device: torch.device, record_property: Callable[..., None]
) -> None:
    for where in ("cpu", named(device)):
        succeed(
            *("generate", trained / "whole", "--seeds", "0-7", "--grid", "4x2"),
            *("--out", f"on-{where}", "--device", where),
        )
    names = sorted(path.name for path in Path("on-cpu").glob("*.png"))
    assert len(names) == 9
    apart = [
        np.abs(
            np.asarray(Image.open(f"on-cpu/{name}")).astype(float)
            - np.asarray(Image.open(f"on-{named(device)}/{name}")).astype(float)
        ).mean()
        for name in names
        if name != "grid.png"
    ]
    record_property("apart", f"{max(apart):.3f} of 255")
    assert max(apart) < 1


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_diagnostics(
    trained: Path, device: torch.device, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(inspection, "SHOWN", 3)
    monkeypatch.setattr(probe, "STEPS", 2)
    if kind == "vit":
        copied(trained, "whole")
    else:
        small = "--discriminator resnet --set discriminator.channel_base=64".split()
        succeed(
            *("train", "--data", trained / "pictures", "--out", "whole", "--device", named(device)),
            *("--kimg", "0.016", "--batch", "8", "--fakes", "20", "--extractor", "random", *small),
            *"--set generator.channel_base=64 --set generator.channel_max=8".split(),
            *"--set discriminator.channel_max=8 --aug fixed --p 0.5 --augment bgcfnc".split(),
        )
    on = ("--device", named(device))
    assert "Discriminator of" in succeed("inspect", "whole", "--images", "20", *on)
    said = succeed("leaks", "whole", "--operations", "brightness,rotate", "--fakes", "10", *on)
    assert "10 generated images" in said
    assert "generated images against" in succeed("memorisation", "whole", *on)
    written = {path.name for path in Path("whole/diagnostics").iterdir()}
    assert {"inspection.json", "leaks.json", "memorisation.json"} < written


def test_a_critic_on_frozen_features_goes_on_too(trained: Path, device: torch.device) -> None:
    torch.manual_seed(0)
    write(squeezenet1_1(weights=None), "squeeze.pth")
    network = "torchvision:squeezenet1_1:squeeze.pth"
    data = ("--data", trained / "pictures", *SHORT, "--device", named(device))
    succeed("train", *data, "--features", network, "--kimg", "0.016", "--out", "seen")
    succeed("train", "--resume", "seen", "--kimg", "0.032", "--device", named(device))
    said = succeed("inspect", "seen", "--images", "8", "--device", named(device))
    assert "Discriminator of" in said


GRID = {
    "name": "tiny",
    "base": {
        "generator": {"latent_dim": 8, "style_dim": 8, "channel_base": 64, "channel_max": 8},
        "discriminator": {"kind": "vit", "width": 16, "heads": 2, "depth": 1},
        "training": {"total_kimg": 0.016, "batch": 8},
        "metrics": {"extractor": "random", "fakes": 20},
    },
    "axes": {"augmentation": {"none": {"augment": {"mode": "none"}}, "some": {}}},
    "baseline": {"augmentation": "none"},
}


@pytest.mark.parametrize("numbered", [False, True], ids=["in this process", "in one of its own"])
def test_a_grid(trained: Path, device: torch.device, numbered: bool) -> None:
    """A worker of a numbered device is a process that starts CUDA while this one has it running."""
    if numbered and device.type != "cuda":
        pytest.skip("only CUDA devices have numbers")
    Path("tiny.yaml").write_text(yaml.safe_dump(GRID))
    where = f"{device.type}:0" if numbered else named(device)
    said = succeed(
        *("ablate", "tiny.yaml", "--data", trained / "pictures", "--devices", where),
        *("--workers", "1"),
    )
    assert "2 cells" in said
    assert "none (baseline)" in said
    finished = list(Path("runs/ablations/tiny").glob("*/generator-last.safetensors"))
    assert len(finished) == 2


def test_a_sweep(trained: Path, device: torch.device) -> None:
    sweep = {key: GRID[key] for key in ("name", "base")} | {
        "search": {"training.r1_gamma": {"low": 0.1, "high": 10, "log": True}},
        "trials": 1,
    }
    Path("sweep.yaml").write_text(yaml.safe_dump(sweep))
    succeed(
        *("sweep", "sweep.yaml", "--data", trained / "pictures", "--devices", named(device)),
        *("--workers", "1"),
    )
    assert len(list(Path("runs/sweeps/tiny").glob("*/generator-last.safetensors"))) == 1


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_the_sizes_that_an_accelerator_gets(trained: Path, device: torch.device, kind: str) -> None:
    """512 channels: what a newcomer's first run is."""
    if device.type != "cuda":
        pytest.skip("takes minutes on a CPU")
    succeed(
        *("train", "--data", trained / "pictures", "--resolution", "32", "--discriminator", kind),
        *("--kimg", "0.256", "--extractor", "random", "--fakes", "64", "--out", "large"),
        *("--set", "run.status_every_kimg=0.064", "--set", "training.r1_interval=2"),
    )
    config = yaml.safe_load(Path("large/config.yaml").read_text())
    assert config["run"]["device"] == "auto"
    assert config["training"]["precision"] == usual_precision(device)
    assert (config["training"]["batch"], config["generator"]["channel_max"]) == (64, 512)
    records = [json.loads(line) for line in Path("large/stats.jsonl").read_text().splitlines()]
    assert [record["skipped_steps"] for record in records] == [0] * len(records)
    assert record_of("large/environment.json")["accelerator"]


def test_operations_of_kornia(trained: Path, device: torch.device) -> None:
    extra = "augment.extra=[{operation: RandomSharpness, p: 1}, {operation: RandomErasing, p: 1}]"
    succeed(
        *("train", "--data", trained / "pictures", *SHORT, "--kimg", "0.016", "--out", "extra"),
        *("--device", named(device), "--aug", "fixed", "--p", "0.5", "--set", extra),
    )
    records = [json.loads(line) for line in Path("extra/stats.jsonl").read_text().splitlines()]
    assert records[-1]["skipped_steps"] == 0
