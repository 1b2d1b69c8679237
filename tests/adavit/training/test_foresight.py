"""What is foreseen of a run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import adavit
from adavit.config.layers import build_config
from adavit.config.run import RunConfig
from adavit.config.section import MOST
from adavit.errors import UserError
from adavit.metrics import RandomFeatures
from adavit.metrics.extractors.drawn_features import drawn_features
from adavit.runtime.console import SilentConsole
from adavit.training.foresight import (
    BATCH_OF_EXTRACTORS,
    describe_elsewhere,
    disk_bytes,
    evaluation_bytes,
    kinds_of_steps,
)
from adavit.training.plan import describe_plan
from adavit.training.start.imagined_step import ImaginedStep
from adavit.training.start.workload import prepare
from tests.adavit.diagnostics.conftest import random_images, write_images
from tests.small_weights import write_mobilenet
from tests.telling import Told

Tiny = Callable[..., RunConfig]


def walked_kinds(intervals: Sequence[int]) -> list[tuple[int, int]]:
    """First step and number of steps of each set of intervals that divide it, step by step."""
    steps: dict[tuple[bool, ...], list[int]] = {}
    for index in range(math.lcm(*intervals)):
        steps.setdefault(tuple(index % interval == 0 for interval in intervals), []).append(index)
    return [(indices[0], len(indices)) for indices in steps.values()]


def with_intervals(*intervals: int) -> Any:
    """A step of which nothing is there but when its terms are due."""
    return SimpleNamespace(intervals=intervals)


@pytest.mark.parametrize(
    "intervals",
    [
        (),
        (1,),
        (1, 1),
        (4,),
        (1, 16),
        (16, 16, 4),
        (2, 3),
        (4, 6),
        (6, 10, 15),
        (2, 3, 5),
        (4, 6, 9, 1),
    ],
)
def test_kinds_of_steps_are_counted_as_if_the_cycle_were_walked(intervals: Sequence[int]) -> None:
    assert kinds_of_steps(with_intervals(*intervals)) == walked_kinds(intervals)


def test_a_cycle_may_be_longer_than_anyone_could_walk() -> None:
    r1, r2 = 999_983, 1_000_003  # primes
    both, neither = 1, (r1 - 1) * (r2 - 1)
    assert kinds_of_steps(with_intervals(r1, r2, 1)) == [
        (0, both),
        (1, neither),
        (r1, r2 - 1),
        (r2, r1 - 1),
    ]
    largest = kinds_of_steps(with_intervals(MOST, MOST - 1, MOST - 2))
    assert sum(count for _, count in largest) == math.lcm(MOST, MOST - 1, MOST - 2)


def told(text: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line.strip())


def elsewhere(pictures: Path, kind: str, **run: Any) -> RunConfig:
    layer = {
        "data": {"source": str(pictures), "resolution": "48x64"},
        "discriminator": {"kind": kind},
        "metrics": {"extractor": "random"},
        "run": {"device": "cuda", **run},
    }
    return build_config([layer])


@pytest.mark.slow
def test_a_device_need_not_be_there(pictures: Path) -> None:
    lines = told(describe_elsewhere(elsewhere(pictures, "resnet", memory="8GB"), SilentConsole()))
    assert lines["precision:"] == "bf16"
    assert lines["channel_max:"] == "512"
    assert lines["total_kimg:"] == "5000.0"
    peak = float(lines["foreseen"].split()[0]) * 2**30
    assert 2e9 < peak <= 8e9
    assert lines["microbatch:"] in ("64", "32", "16")
    assert "PFLOP for 5000 kimg" in lines["time"]


def test_what_fits_in_a_budget_is_not_foreseen_without_the_device(pictures: Path) -> None:
    console = Told()
    text = describe_elsewhere(elsewhere(pictures, "resnet", budget="2h"), console)
    assert any("run.budget, 2h, is measured where the device is" in note for note in console.notes)
    assert "PFLOP for 5000 kimg" in told(text)["time"]  # as the note says


@pytest.mark.slow
def test_images_messages_and_frozen_networks_are_told_as_they_are_here(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.training.plan.is_here", lambda name: name == "cpu")
    layer = elsewhere(pictures, "resnet").as_dict()
    sizes: dict[str, Any] = {"channel_base": 256, "channel_max": 16}
    layer["generator"] |= {**sizes, "latent_dim": 16, "style_dim": 16}
    layer["discriminator"] |= sizes
    layer["features"] |= {"network": write_mobilenet(tmp_path / "mobile.pth"), "width": 8}
    layer["training"] |= {"batch": 16, "fast_reduce": True}

    def lines(device: str) -> dict[str, str]:
        config = build_config([layer, {"run": {"device": device}}])
        return told(describe_plan(config, SilentConsole(), processes=2))

    here, there = lines("cpu"), lines("cuda")
    assert here.keys() - there.keys() == {"memory", "speed"}
    parameters = here["features"].partition("they add")[0]
    assert there["features"].startswith(parameters)
    images = len(list(pictures.rglob("*.png"))) * 3 * 48 * 64
    assert here["images"] == "553 kB decoded once for this machine, and mapped by its 2 processes"
    assert images == pytest.approx(553_000, rel=1e-3)
    assert there["images"].startswith(f"{here['images']}; 553 kB, on a device of ")
    assert there["messages"] == here["messages"]


def test_faults_of_the_data_are_told_for_a_device_that_is_not_there_too(pictures: Path) -> None:
    first, *others = sorted(path for path in pictures.rglob("*") if path.is_file())
    for other in others[: len(others) // 2]:
        other.write_bytes(first.read_bytes())
    console = Told()
    describe_elsewhere(elsewhere(pictures, "resnet"), console)
    assert any("exact copies" in note for note in console.notes), console.notes


@pytest.mark.parametrize("every", [None, 0.016])
def test_disk_is_what_a_run_leaves(every: float | None, tiny: Tiny) -> None:
    wide = {"generator": {"channel_max": 32, "channel_base": 512}}
    config = tiny({**wide, "run": {"keep_every_kimg": every}})
    workload = prepare(config, SilentConsole())
    foreseen = disk_bytes(workload, ImaginedStep(workload.config))
    run = adavit.train(config)
    networks = sum(
        path.stat().st_size for path in run.rglob("*") if path.suffix in (".pt", ".safetensors")
    )
    pictures = sum(path.stat().st_size for path in run.glob("samples/*"))
    assert networks == pytest.approx(foreseen, rel=0.15)
    assert pictures < foreseen


def test_an_evaluation_holds_images_and_maps(tiny: Tiny) -> None:
    workload = prepare(tiny(), SilentConsole())
    imagined = ImaginedStep(workload.config)
    images = 64 * 3 * 16 * 16 * 4
    assert images < evaluation_bytes(workload, imagined) < 400 * images


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"data": {"cond": True}}, "data.cond is on, but .* has no classes"),
        ({"augment": {"heuristic": "rv"}}, "augment.heuristic is rv, but no images are held out"),
    ],
)
def test_what_a_run_refuses_is_refused_of_one_elsewhere(
    tmp_path: Path, layer: dict[str, Any], message: str
) -> None:
    images = write_images(tmp_path / "flat", random_images(24))
    given = {**layer, "data": {"source": str(images), **layer.get("data", {})}}
    config = build_config([{"metrics": {"names": []}, "run": {"device": "cuda"}}, given])
    with pytest.raises(UserError, match=message):
        describe_elsewhere(config, SilentConsole())


def test_what_makes_no_sense_is_told_of_a_run_elsewhere(pictures: Path) -> None:
    console, config = Told(), elsewhere(pictures, "resnet")
    absurd = build_config([config.as_dict(), {"training": {"generator_lr": 0.9}}])
    describe_elsewhere(absurd, console)
    assert any("training.generator_lr is 0.9" in note for note in console.notes)
    assert any("little to learn from" in note for note in console.notes)


def test_extractors_are_foreseen_at_as_many_images_as_they_take_on_an_accelerator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for kind in ("random", "drawn"):
        monkeypatch.setattr(
            f"adavit.metrics.extractors.{kind}_features.is_accelerator", lambda _: True
        )
    found = {each.name: each.batch for each in (RandomFeatures(), drawn_features())}
    assert found == BATCH_OF_EXTRACTORS


def test_of_large_images_fewer_are_foreseen_at_a_time(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = prepare(tiny(), SilentConsole())
    imagined = ImaginedStep(workload.config)
    seen: list[torch.Size] = []

    def extractor(images: torch.Tensor) -> None:
        seen.append(images.shape)

    extractor.name, extractor.batch, extractor.features = "random", 250, 1  # type: ignore[attr-defined]
    evaluator: Any = SimpleNamespace(extractor=extractor)
    there = replace(workload, evaluators=(evaluator,))
    for _ in range(2):
        evaluation_bytes(there, imagined)
        monkeypatch.setattr("adavit.metrics.extractors.extractor.PIXELS", 5 * 16 * 16)
    assert seen == [(250, 3, 16, 16), (5, 3, 16, 16)]
