"""Steps of networks in full size on tensors without content: nothing lies on the wrong device, nothing is waited for.

A fake tensor has a shape, a type and a device, and no number that could be asked for: whatever would wait for a GPU
raises. No memory is needed, so the networks may be those of a run at 512 px.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from adavit.augment import resampling
from adavit.config.run import ResolvedConfig
from adavit.data import split_images
from adavit.models import filter_products
from adavit.models.names import ResNetForm
from adavit.training.objectives import consistency
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step
from adavit.training.start.footprint import counted_bytes
from adavit.training.start.live_bytes import LiveBytes
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep
from benchmarks.gpu.bench import Bench, noise_images

pytestmark = [
    pytest.mark.gpu,
    # As copy.deepcopy asks a tensor for its address.
    pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor:UserWarning"),
]

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
        for side in (32, 512)
    },
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


def _moved(module: nn.Module, move: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """As `nn.Module._apply`, which exchanges fake parameters in place and cannot where something else holds them."""
    for child in module.children() if recurse else ():
        child._apply(move)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            there = move(parameter.detach())
            module._parameters[name] = nn.Parameter(there, parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = move(buffer)
    return module


def _forget_what_is_kept() -> None:
    """Tensors that are made once: those of one test have no content, or belong to another mode, in the next."""
    resampling._filters.clear()
    filter_products._kept.cache_clear()
    consistency._shift.cache_clear()


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All that is made from here on has no content."""
    monkeypatch.setattr(nn.Module, "_apply", _moved)
    monkeypatch.setattr(FakeTensorMode, "__deepcopy__", lambda mode, _: mode, raising=False)
    _forget_what_is_kept()
    yield
    _forget_what_is_kept()


def workload(device: torch.device, kind: str, side: int, *layers: dict[str, Any]) -> Workload:
    """That of an accelerator's defaults."""
    bench = Bench(device, toy=False, out=Path(), ends=0)
    config = bench.config(
        kind, side, {"training": {"batch": BATCH, "precision": "float32"}}, *layers
    )
    split = split_images(BATCH, subset=None, heldout_fraction=0.0, seed=0)
    return Workload(config=config, image_set=noise_images(side), split=split, device=device)


def built(load: Workload) -> AdversarialStep:
    """Its step; at its start the host may ask for p, and whether what was drawn of a normal lies within its bounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.init, "trunc_normal_", nn.init.normal_)
        patch.setattr(
            FakeTensor, "__float__", lambda _: load.config.augment.p or 0.0, raising=False
        )
        return build_step(load)


def call(step: AdversarialStep, config: ResolvedConfig, device: torch.device) -> None:
    """One step, in which all that is due at times is due."""
    side = config.data.resolution
    real = torch.empty(config.training.batch, 3, side, side, device=device)
    step(real, None, images=0, streams=StepStreams.at(0, 0, device))


@pytest.mark.parametrize(("kind", "side", "layer"), STEPS.values(), ids=STEPS)
def test_a_step_in_full_size(
    device: torch.device, kind: str, side: int, layer: dict[str, Any]
) -> None:
    load = workload(device, kind, side, layer)
    with FakeTensorMode():
        step = built(load)
        call(step, load.config, device)
        for network in (step.generator, step.judges):
            gradients = [p.grad for p in network.parameters() if p.requires_grad]
            assert {gradient.device.type for gradient in gradients if gradient is not None} == {
                device.type
            }


@pytest.mark.parametrize(("kind", "side"), [("resnet", 256), ("vit", 256)])
def test_the_memory_that_is_foreseen(device: torch.device, kind: str, side: int) -> None:
    load = workload(device, kind, side, {"augment": {"mode": "none", "p": None}})
    with FakeTensorMode():
        step = built(load)
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
    assert 0.8 <= live.peak / counted_bytes(load.config) <= 1.25


def test_what_waits_would_raise(device: torch.device) -> None:
    with FakeTensorMode(), pytest.raises(Exception, match="_local_scalar_dense"):
        torch.zeros((), device=device).item()
