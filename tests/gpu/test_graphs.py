"""CUDA graphs: the same bits as kernel by kernel, whatever the step consists of, in less of the host's time."""

import gc
from typing import Any

import pytest
import torch

from adavit.training.passes.streams import StepStreams
from adavit.training.step.slice_programs import SlicePrograms
from tests.gpu.steps import RESNET, VIT, Layer, start, trained
from tests.gpu.test_determinism import ordered as ordered  # the fixture
from tests.gpu.test_networks import CRITICS, VITS
from tests.gpu.test_objectives import CHAIN, TERMS

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("ordered")]

STEPS: dict[str, Layer] = {
    "vit, all groups": {"augment": {"preset": "bgcfnc"}},
    "resnet": {"discriminator": RESNET},
    "resnet in bf16": {"discriminator": RESNET, "training": {"precision": "bf16"}},
    "vit in bf16": {"training": {"precision": "bf16"}},
    "plain": {"discriminator": {**RESNET, "form": "plain"}, "training": {"style_mixing": 0.9}},
    "r3gan": {
        "discriminator": {**RESNET, "form": "r3gan", "minibatch_std_group": 0},
        "training": {"loss": "relativistic", "r2_gamma": 0.1},
    },
    "chain": CHAIN,
    "diffusion": {"augment": {"preset": "diffusion"}},
    "diffaug": {"augment": {"preset": "diffaug", "p": 1.0}},
    "classes": {"data": {"cond": True}},
    **{name: {"discriminator": {**VIT, **parts}} for name, parts in VITS.items()},
    **{name: {"training": parts} for name, parts in TERMS.items() if name != "top k"},
    "zcr in bf16": {"training": {**TERMS["zcr"], "precision": "bf16"}},
    "features": CRITICS["beside"][0],
}


@pytest.fixture(autouse=True)
def cuda(device: torch.device) -> None:
    if device.type != "cuda":
        pytest.skip("only CUDA records what it does")


def layers(convolutional: str, layer: Layer, **training: Any) -> tuple[Layer, ...]:
    if "features" in layer:
        found = {**layer["features"], "network": convolutional, "side": 64}
        layer = {**layer, "features": found}
    return layer, {"training": training}


@pytest.mark.parametrize("layer", STEPS.values(), ids=STEPS)
def test_steps_end_with_the_same_bits(
    device: torch.device, layer: Layer, convolutional: str
) -> None:
    found, expected = (
        trained(device, *layers(convolutional, layer, graphs=graphs), steps=6)
        for graphs in (True, False)
    )
    assert found.losses == expected.losses
    torch.testing.assert_close(found.gradients, expected.gradients, rtol=0, atol=0)
    torch.testing.assert_close(found.weights, expected.weights, rtol=0, atol=0)


def test_what_changes_from_step_to_step_is_not_recorded(device: torch.device) -> None:
    recorded = {
        name: isinstance(
            start(device, layer, {"training": {"graphs": True}})[1].compute, SlicePrograms
        )
        for name, layer in {"plain": {}, "top k": {"training": {"top_k": 0.5}}}.items()
    }
    assert recorded == {"plain": True, "top k": False}


def test_recorded_steps_take_little_more_memory(device: torch.device) -> None:
    large: Layer = {
        "data": {"resolution": 64},
        "generator": {"channel_base": 4096, "channel_max": 128},
        "discriminator": {"kind": "resnet", "channel_base": 4096, "channel_max": 128},
        "training": {"batch": 32, "path_length": 0},
    }
    reserved = {}
    for graphs in (False, True):
        load, step = start(device, large, {"training": {"graphs": graphs}})
        torch.cuda.synchronize()
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_reserved()
        for index in range(6):
            real = torch.rand(32, 3, 64, 64, device=device) * 2 - 1
            images = 32 * (7 + index)  # R1 is due in the second
            assert step(real, None, images=images, streams=StepStreams.at(0, images, device)).finite
        reserved[graphs] = torch.cuda.max_memory_reserved() - before
        del load, step
    assert reserved[True] < 1.5 * reserved[False]
