from collections.abc import Callable
from pathlib import Path

import pytest

from adavit.config.run import RunConfig
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import SilentConsole
from adavit.training.opening import MOST_LINES, opening
from adavit.training.start.build import build_step
from adavit.training.start.workload import load_workload

Tiny = Callable[..., RunConfig]
RESNET = {"discriminator": {"kind": "resnet", "channel_base": 64, "channel_max": 8}}


def lines(config: RunConfig, budget: str | None = None) -> dict[str, str]:
    workload = load_workload(config, SilentConsole())
    told = opening(config, workload, build_step(workload), RunDirectory(Path("run")), budget)
    found = {line[:14].rstrip(): line[14:] for line in told.splitlines()}
    assert len(found) == len(told.splitlines()) <= MOST_LINES
    return found


def test_the_first_lines_say_what_the_run_does(tiny: Tiny) -> None:
    found = lines(tiny({"training": {"r1_gamma": 2, "r1_interval": 1}}))
    assert "vit discriminator of 0.00" in found["networks"]
    assert found["batch"].startswith("8 images; learning rates 0.006 and 0.0015")
    assert found["length"].startswith("0.064 kimg in 8 steps; the first report")
    assert found["augmentation"] == "bgc, adaptive: p from 0.5 so that r_t stays at 0.6"
    assert found["precision"] == "float32 on cpu with 1 thread"
    assert found["losses"] == "non_saturating; R1 of 2 at each step"
    assert found["metrics"] == ("fid, kid of 20 images in features of random, every 0.032 kimg")
    assert found["all settings"].startswith("run/config.yaml; adavit settings")
    assert (
        found["look first at"]
        == "run/samples, a grid every 0.032 kimg beside reals.png; run/curves.png"
    )


def test_what_was_chosen_is_told_from_what_was_given(tiny: Tiny) -> None:
    open_ones = {
        "training": {"batch": "auto", "total_kimg": "auto"},
        "generator": {"channel_base": "auto"},
    }
    found = lines(tiny(RESNET, open_ones))
    assert "chosen for the device" in found["batch"]
    assert "usual for the device" in found["length"]
    assert found["networks"].endswith("chosen for 16 px")
    assert lines(tiny(RESNET))["networks"].endswith(" at 16 px")


@pytest.mark.parametrize(
    ("layer", "key", "words"),
    [
        ({"augment": {"mode": "none"}}, "augmentation", "none"),
        ({"augment": {"mode": "fixed", "p": 0.3}}, "augmentation", "bgc, p fixed at 0.3"),
        (
            {"augment": {"mode": "scheduled", "p": 0.3, "schedule_kimg": 5.0}},
            "augmentation",
            "bgc, p from 0.5 to 0.3 in 5.0 kimg",
        ),
        ({"metrics": {"names": []}}, "metrics", "none"),
        (
            {"metrics": {"patience_kimg": 3}},
            "metrics",
            "fid, kid of 20 images in features of random, every 0.032 kimg; ends 3 kimg after the best",
        ),
        (
            {"training": {"r1_gamma": 0, "loss": "hinge"}},
            "losses",
            "hinge; no gradient penalty",
        ),
        (
            {"training": {"loss": "relativistic", "r1_gamma": 1, "r1_interval": 4}},
            "losses",
            "relativistic; R1 of 1 every 4 steps and R2 of 1 every 4 steps",
        ),
        (
            {"training": {"gradient_penalty": 10}},
            "losses",
            "non_saturating; WGAN-GP's penalty of 10",
        ),
        ({"training": {"microbatch": 4}}, "batch", "8 images, 4 images at a time; learning rates"),
    ],
)
def test_each_part_has_its_words(
    tiny: Tiny, layer: dict[str, dict[str, object]], key: str, words: str
) -> None:
    assert lines(tiny(layer))[key].startswith(words)


def test_a_budget_is_told_in_place_of_the_length(tiny: Tiny) -> None:
    assert lines(tiny(), "2h: 80 kimg")["length"] == "2h: 80 kimg"
