"""Steps of networks in full size on tensors without content: nothing lies on the wrong device, nothing is waited for.

No memory is needed, so the networks may be those of a run at 512 px.
"""

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from adavit.config.run import ResolvedConfig
from adavit.models.names import ResNetForm
from adavit.training.passes.streams import StepStreams
from adavit.training.start.footprint import counted_bytes
from adavit.training.start.live_bytes import LiveBytes
from adavit.training.start.without_content import without_content
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep
from benchmarks.fake_steps import fake_step
from benchmarks.gpu.bench import Bench, workload_of

pytestmark = pytest.mark.gpu

BATCH = 8
ALL_TERMS: dict[str, Any] = {
    **{"r1_gamma": 1, "r2_gamma": 1, "path_length": 2, "lecam": 0.3, "top_k": 0.5},
    **{"bcr_real": 1, "bcr_generated": 1, "zcr_discriminator": 0.2, "zcr_generator": 0.02},
    **{"apa_p_max": 0.8, "style_mixing": 0.9, "precision": "bf16"},
}
STEPS: dict[str, tuple[str, int, dict[str, Any]]] = {
    **{
        f"{kind} {side} px": (kind, side, {})
        for kind in ("resnet", "vit")
        for side in (32, 128, 256, 512)  # 64 px are below, with other terms
    },
    "r3gan": ("resnet", 256, {"discriminator": {"form": "r3gan"}, "training": {"loss": "relativistic"}}),
    "vit, both penalties": ("vit", 256, {"training": {"loss": "relativistic", "r1_gamma": 1, "r2_gamma": 1}}),
    "approximate": ("resnet", 128, {"training": {"penalty": "approximate", "r2_gamma": 1}}),
    "drift": ("resnet", 64, {"training": {"loss": "wasserstein", "gradient_penalty": 1, "drift": 0.001}}),
    "bf16 512 px": ("resnet", 512, {"training": {"precision": "bf16", "path_length": 2}}),
    "resnet, all terms": ("resnet", 64, {"training": ALL_TERMS}),
    "vit, all terms": ("vit", 64, {"training": {**ALL_TERMS, "masked_patch_weight": 0.3}}),
    "vit, approximate": ("vit", 64, {"training": {"penalty": "approximate", "r2_gamma": 1}}),
    "wasserstein": ("resnet", 32, {"training": {"loss": "wasserstein", "gradient_penalty": 1}}),
    "chain": ("resnet", 32, {"discriminator": {"normalization": "chain"}}),
    **{
        f"form {form}": ("resnet", 32, {"discriminator": {"form": form, "minibatch_std_group": 0}})
        for form in get_args(ResNetForm)
        if form != "residual"
    },
    "all groups": ("resnet", 32, {"augment": {"preset": "bgcfnc"}}),
}  # fmt: skip


def workload(device: torch.device, kind: str, side: int, *layers: dict[str, Any]) -> Workload:
    """That of an accelerator's defaults."""
    bench = Bench(device, toy=False, out=Path(), ends=0)
    config = bench.config(
        kind, side, {"training": {"batch": BATCH, "precision": "float32"}}, *layers
    )
    return workload_of(config, device)


def call(step: AdversarialStep, config: ResolvedConfig, device: torch.device) -> None:
    """One step, in which all that is due at times is due."""
    real = torch.empty(config.training.batch, 3, *config.data.resolution, device=device)
    step(real, None, images=0, streams=StepStreams.at(0, 0, device))


@pytest.mark.parametrize(("kind", "side", "layer"), STEPS.values(), ids=STEPS)
def test_a_step_in_full_size(
    device: torch.device, kind: str, side: int, layer: dict[str, Any]
) -> None:
    load = workload(device, kind, side, layer)
    with without_content(allow_real=False):
        step = fake_step(load)
        call(step, load.config, device)
        for network in (step.generator, step.judges):
            gradients = [p.grad for p in network.parameters() if p.requires_grad]
            assert {gradient.device.type for gradient in gradients if gradient is not None} == {
                device.type
            }


@pytest.mark.parametrize(("kind", "side"), [("resnet", 256), ("vit", 256)])
def test_the_memory_that_is_foreseen(device: torch.device, kind: str, side: int) -> None:
    load = workload(device, kind, side, {"augment": {"mode": "none", "p": None}})
    with without_content(allow_real=False):
        step = fake_step(load)
        call(step, load.config, device)  # moments are made here
        tensors: list[Tensor] = [*step.generator.parameters(), *step.judges.parameters()]
        tensors += step.average.module.parameters()
        tensors += [
            moment
            for optimizer in (step.generator_optimizer, step.discriminator_optimizer)
            for state in optimizer.state.values()
            for moment in state.values()
            if isinstance(moment, Tensor)
        ]
        with LiveBytes(tensors) as live:
            call(step, load.config, device)
    assert 0.8 <= live.peak / counted_bytes(load.config, device) <= 1.25


def test_what_waits_would_raise(device: torch.device) -> None:
    with without_content(allow_real=False), pytest.raises(Exception, match="_local_scalar_dense"):
        torch.zeros((), device=device).item()
