"""What is said of images and settings before a run, and what is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from adavit.config.auto import RunFacts
from adavit.config.layers import build_config, read_preset
from adavit.config.run import RunConfig
from adavit.data import load_images
from adavit.errors import UserError
from adavit.runtime.console import SilentConsole
from adavit.runtime.resolution import Resolution
from adavit.training.start.settled import settled
from adavit.training.start.workload import load_workload
from tests.telling import Told

Tiny = Callable[..., RunConfig]


@pytest.mark.parametrize(("images", "warns"), [(1, True), (99, True), (100, False)])
def test_few_images_are_warned_of(tiny: Tiny, images: int, warns: bool) -> None:
    loaded = load_images("small_set:100", resolution=16)
    config = tiny({"data": {"subset": None, "val_fraction": 0}})
    chosen = replace(loaded, images=loaded.images[:images], labels=None, classes=())
    notes = Told()
    load_workload(config, notes, load=lambda *_: chosen)
    said = [line for line in notes.notes if "by heart. Give at least 100." in line]
    assert [line.startswith("Warning: ") for line in said] == [True] * warns
    assert all(f"{images} image" in line for line in said)


def test_absurd_settings_are_warned_of(tiny: Tiny) -> None:
    notes = Told()
    load_workload(tiny({"training": {"r1_gamma": 1e38}}), notes)
    (line,) = (line for line in notes.notes if line.startswith("Warning: training"))
    assert line.startswith("Warning: training.r1_gamma is 1e+38, far outside of 0 to 10000")


@pytest.mark.parametrize(
    ("section", "preset"),
    [
        ("discriminator", "stylegan2-ada-cifar"),
        ("features", "stylegan2-ada"),
    ],
)
def test_groups_are_those_of_the_share_of_a_process(section: str, preset: str) -> None:
    facts, cpu = RunFacts(Resolution.of(32), 1000, "cuda", processes=8), torch.device("cpu")
    group = {"network": "torchvision:resnet18"} if section == "features" else {}
    usual = {"discriminator": {"minibatch_std_group": "auto"}, "training": {"batch": 64}}
    layers = [read_preset(preset), usual, {section: {**group, "minibatch_std_group": 32}}]
    told = (
        rf"^{section}\.minibatch_std_group is 32, but must divide the 8 images that each of 8 processes computes of"
        r" training\.batch \(64\)\. Use 8, or 2 processes, or --batch 256\.$"
    )
    with pytest.raises(UserError, match=told):
        settled(build_config(layers), facts, cpu, SilentConsole())
    settled(build_config(layers), replace(facts, processes=2), cpu, SilentConsole())
    for remedy in ({section: {"minibatch_std_group": 8}}, {"training": {"batch": 256}}):
        settled(build_config([*layers, remedy]), facts, cpu, SilentConsole())


@pytest.mark.parametrize(
    ("channels", "network", "warns"),
    [
        ("rgba", "torchvision:resnet18", True),
        ("rgb", "torchvision:resnet18", False),
        ("rgba", None, False),
    ],
)
def test_a_critic_of_images_with_alpha_is_warned_of(
    tiny: Tiny, channels: str, network: str | None, warns: bool
) -> None:
    notes = Told()
    load_workload(tiny({"data": {"channels": channels}, "features": {"network": network}}), notes)
    assert any(line.startswith("Warning: with alpha a critic") for line in notes.notes) is warns
