from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from adavit.build.networks import build_networks
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, read_preset
from adavit.config.run import ResolvedConfig
from adavit.runtime.resolution import Resolution
from adavit.training.start.effort import PASSES, slow_step, step_operations

CPU = torch.device("cpu")


def config(*layers: Any, resolution: int | str = 32) -> ResolvedConfig:
    return resolve(build_config(layers), RunFacts(Resolution.of(resolution), 100, "cpu"))


@pytest.mark.parametrize("resolution", [16, 64, "24x40", "48x32"])
@pytest.mark.parametrize(
    "discriminator",
    [
        {"kind": "resnet"},
        {"kind": "resnet", "form": "r3gan"},
        {"kind": "vit"},
        {"kind": "vit", "patch": "2x8"},
    ],
)
def test_operations_are_those_that_torch_counts(
    discriminator: dict[str, Any], resolution: int | str
) -> None:
    run = config({"discriminator": discriminator}, resolution=resolution)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        generator, judge = build_networks(run, image_channels=3, num_classes=0)
        judge(generator(torch.empty(run.training.batch, run.generator.latent_dim)))
    assert 0.4 < step_operations(run) / (PASSES / 2 * counter.get_total_flops()) < 2.5


@pytest.mark.parametrize("preset", ["r3gan", "stylegan2-ada-cifar", "transgan"])
def test_a_preset_for_an_accelerator_is_slow_on_a_cpu_alone(preset: str) -> None:
    run = config(read_preset(preset), {"run": {"device": "cpu"}, "data": {"resolution": 16}})
    slow = slow_step(run, CPU) is not None
    assert slow is (preset == "r3gan")
    assert slow_step(run, torch.device("cuda")) is None


@pytest.mark.parametrize("kind", ["resnet", "vit"])
@pytest.mark.parametrize("resolution", [32, 64])
def test_the_defaults_are_not(kind: str, resolution: int) -> None:
    run = config({"discriminator": {"kind": kind}}, resolution=resolution)
    assert slow_step(run, CPU) is None


def test_a_smaller_batch_or_narrower_networks_mend_it() -> None:
    layers = [read_preset("r3gan"), {"data": {"resolution": 16}}]
    assert "512 images" in str(slow_step(config(*layers), CPU))
    assert slow_step(config(*layers, {"training": {"batch": 16}}), CPU) is None
    narrow = {"generator": {"channel_max": 64}, "discriminator": {"channel_max": 64}}
    assert slow_step(config(*layers, narrow), CPU) is None
