from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adavit.data import images_to_uint8
from adavit.diagnostics.diagnosed_images import DiagnosedImages, open_diagnosis
from adavit.diagnostics.memorisation import reach
from adavit.diagnostics.memorisation.diagnosis import memorisation
from adavit.diagnostics.memorisation.reach import Reach, difference_interval, summarise_reach
from adavit.diagnostics.memorisation.summary import summarise_memorisation
from adavit.errors import UserError
from adavit.runtime.console import SilentConsole
from tests.adavit.diagnostics.conftest import image_set, random_images, write_images
from tests.small_weights import write_mobilenet
from tests.stored_generators import stored_generator


@pytest.mark.parametrize(("many", "others"), [(2, 2), (3, 3), (3, 9), (40, 60)])
def test_the_interval_covers_the_true_difference_as_often_as_it_says(
    many: int, others: int
) -> None:
    rng = np.random.default_rng(0)
    trials, covered = 400, 0
    for _ in range(trials):
        first, second = rng.normal(1.0, 1.0, many), rng.normal(0.4, 2.0, others)
        low, high = difference_interval(first, second)
        covered += low < 0.6 < high
    assert 0.92 < covered / trials < 0.99


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ([0.1, 0.3], "are reached better than others: the generator holds"),
        ([-0.3, -0.1], "not reached better than others, but worse"),
        ([-0.1, 0.3], "cannot be told"),
    ],
)
def test_the_verdict_is_that_of_the_interval(interval: list[float], words: str) -> None:
    record = {
        "compared_by": ["the discriminator", "pixels"],
        "space": "w",
        "steps": 300,
        "training": {"mean": 1.25, "images": 10},
        "heldout": {"mean": 1.35, "images": 9},
        "difference": 0.1,
        "interval": interval,
    }
    text = "\n".join(summarise_reach(record))
    assert words in text
    assert "the discriminator and pixels; 300 steps in w" in text
    assert "training images   mean distance 1.25 (10 images)" in text
    assert "The discriminator has seen the training images itself" in text
    assert "discriminator" not in "\n".join(summarise_reach({**record, "compared_by": ["pixels"]}))
    assert f"+0.1 ({interval[0]:+.4g} to {interval[1]:+.4g})" in text


def test_images_that_the_generator_holds_are_reached_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "STEPS", 40)
    stored = stored_generator(tmp_path)
    latents = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    held = images_to_uint8(stored.generator(latents))
    real = image_set(torch.cat([random_images(4), held]))
    images = DiagnosedImages(
        fakes=held,
        fake_names=None,
        real=real,
        train=np.arange(4, 9),
        unseen=np.arange(4),
        mirror=False,
        config=None,
        highest_p=None,
        protocol={"seed": 0},
        stored=stored,
    )
    found = Reach(images, 9, None, device=torch.device("cpu"), console=SilentConsole())
    found.choose(images.train, np.arange(4))
    compared = found.compare()
    with pytest.raises(UserError, match=r"there are 1 held-out images, .* copies not counted"):
        found.choose(images.train, np.arange(1))
    with pytest.raises(UserError, match=r"there are 1 training images, .* copies not counted"):
        found.choose(images.train[:1], np.arange(4))
    assert compared["interval"][0] > 0
    assert compared["training"]["mean"] < 0.5 * compared["heldout"]["mean"]
    assert (compared["training"]["images"], compared["heldout"]["images"]) == (5, 4)


def test_of_copies_one_is_searched_for(
    run_of: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "STEPS", 2)
    images, sides = random_images(40), {}
    for name in ("all different", "with copies"):  # which the split does not look at
        data = write_images(tmp_path / name, images)
        run = run_of(data, tmp_path / f"run of {name}", {"metrics": {"names": []}})
        opened = open_diagnosis(str(run), data=str(data), out=tmp_path / "out", fakes=8)
        record = memorisation(opened, extractor="random", project=40)
        sides[name] = [record["projection"][side]["images"] for side in ("training", "heldout")]
        assert record["protocol"]["n_heldout"] == sides[name][1]
        for indices in (opened.images.train, opened.images.unseen):
            images[indices[1]] = images[indices[0]]
    train, heldout = len(opened.images.train), len(opened.images.unseen)
    assert sides == {"all different": [train, heldout], "with copies": [train - 1, heldout - 1]}


def test_images_of_a_run_are_searched_for_and_others_refused(
    run_of: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "STEPS", 4)
    data = write_images(tmp_path / "data", random_images(40))
    run = run_of(data, tmp_path / "run", {"metrics": {"names": []}})

    def diagnose(source: Path, **given: Any) -> dict[str, Any]:
        opened = open_diagnosis(str(source), data=str(data), out=tmp_path / "out", fakes=8)
        return memorisation(opened, extractor="random", **given)

    record = diagnose(run, project=6)
    found = record["projection"]
    assert found["compared_by"] == ["the discriminator", "pixels"]
    train, heldout = found["training"]["distances"], found["heldout"]["distances"]
    assert (len(train), len(heldout)) == (6, 6)
    assert found["difference"] == pytest.approx(np.mean(heldout) - np.mean(train), abs=1e-5)
    assert found["interval"][0] < found["difference"] < found["interval"][1]
    assert "projection (the discriminator and pixels; 4 steps" in summarise_memorisation(record)

    network = write_mobilenet(tmp_path / "m.pth")
    told = diagnose(run, project=6, features=network, features_mean=(0.1, 0.2, 0.3))["projection"]
    assert told["compared_by"][1] == "pixels"
    assert told["distance"][0]["mean"] == [0.1, 0.2, 0.3]
    with pytest.raises(UserError, match=r"--features-std is 1,1,1, but no network .* --features"):
        diagnose(run, project=6, features_std=(1.0, 1.0, 1.0))
    with pytest.raises(UserError, match=r"--features is .* Add --project"):
        diagnose(run, features="torchvision:resnet18")
    with pytest.raises(UserError, match="--project is 6, but SOURCE is read as images"):
        diagnose(data, project=6)
    images = open_diagnosis(str(run), data=str(data), out=tmp_path / "out", fakes=2).images
    with pytest.raises(UserError, match=r"--project is 6, but there are 0 held-out images"):
        Reach(
            replace(images, unseen=np.arange(0)),
            6,
            None,
            device=torch.device("cpu"),
            console=SilentConsole(),
        )
