"""A few training steps of small networks on one device, and how those on two devices are compared."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.data import Split
from adavit.data.image_set import ImageSet
from adavit.runtime.resolution import Resolution
from adavit.training.objectives.build import build_extras
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import first_step, read_start
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep

Layer = dict[str, dict[str, Any]]
SIDE, BATCH, IMAGES, CLASSES = 16, 8, 24, 3
RATE = 1e-3
START = 20 * 4 * BATCH
"""Images seen before the first step: all that is due every four steps is due then, and some epochs are over."""
VIT: dict[str, Any] = {"kind": "vit", "patch": 4, "width": 16, "heads": 2, "depth": 2}
RESNET: dict[str, Any] = {"kind": "resnet", "channel_base": 128, "channel_max": 16}
BASE: Layer = {
    "data": {"resolution": SIDE},
    "generator": {"latent_dim": 8, "style_dim": 8, "channel_base": 128, "channel_max": 16},
    "discriminator": VIT,
    "augment": {"mode": "fixed", "p": 0.7},
    "training": {
        "batch": BATCH,
        "r1_gamma": 0.1,
        "r1_interval": 4,
        "path_length": 2,
        "path_length_interval": 4,
        "total_kimg": 2,
        "warmup_kimg": 0,
        "generator_lr": RATE,
        "discriminator_lr": RATE,
        "ema_half_life_kimg": 0.05,
        "graphs": False,  # which would draw a CPU's numbers once; see `tests/gpu/test_graphs.py`
    },
}


@dataclass(frozen=True)
class Trace:
    """What a few steps left, on the CPU.

    Attributes:
        losses: Of each step, with the means of the logits.
        gradients: Of the first step, at weights that are the same on every device.
        weights: After the last step, and of the average.
        moved: Norm of what the steps changed of them.
    """

    losses: list[dict[str, float]]
    gradients: dict[str, Tensor]
    weights: dict[str, Tensor]
    moved: float


def workload(device: torch.device, channels: int, *layers: Layer) -> Workload:
    """Of noise; the settings are those of a CPU, whatever the device."""
    facts = RunFacts(resolution=Resolution.of(SIDE), training_images=IMAGES, device="cpu")
    config = resolve(build_config([BASE, *layers]), facts)
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, channels, SIDE, SIDE), np.uint8)
    classes = tuple(map(str, range(CLASSES)))
    return Workload(
        config=config,
        image_set=ImageSet("random", pixels, None, classes, "", (), "random", ()),
        split=Split(train=np.arange(IMAGES), heldout=np.arange(0)),
        device=device,
    )


def networks(step: AdversarialStep) -> dict[str, nn.Module]:
    return {"G": step.generator, "D": step.judges, "average": step.average.module}


def start(device: torch.device, *layers: Layer, channels: int = 3) -> tuple[Any, AdversarialStep]:
    load = workload(device, channels, *layers)
    with pytest.MonkeyPatch.context() as patch:
        # Differences of approximate penalties are taken otherwise where TF32 rounds.
        rounding = partial(build_extras, coarse=True)
        patch.setattr(
            "adavit.training.start.assembly.build_extras",
            lambda training, **keywords: rounding(training, **{**keywords, "coarse": True}),
        )
        step, _ = first_step(load, read_start(load.config))
    with torch.no_grad():
        for parameter in step.generator.parameters():
            if parameter.ndim == 0:  # strengths of noise, which are 0 at the start
                parameter.fill_(0.3)
    step.set_p(0.7)
    if step.pseudo is not None:  # p rises over thousands of images
        step.pseudo.p = 0.5
    return load, step


def trained(device: torch.device, *layers: Layer, channels: int = 3, steps: int = 4) -> Trace:
    load, step = start(device, *layers, channels=channels)
    before = weights_of(step)
    drawn = torch.Generator().manual_seed(1)
    losses: list[dict[str, float]] = []
    gradients: dict[str, Tensor] = {}
    for index in range(steps):
        images = START + index * BATCH
        real = (torch.rand(BATCH, channels, SIDE, SIDE, generator=drawn) * 2 - 1).to(device)
        labels = torch.randint(CLASSES, (BATCH,), generator=drawn).to(device)
        streams = StepStreams.at(0, images, device)
        result = step(real, labels if load.num_classes else None, images=images, streams=streams)
        assert result.finite, f"step {index} was skipped"
        logits = {"train": result.train_logits, "generated": result.generated_logits}
        means = {f"logits_{name}": value.mean() for name, value in logits.items()}
        losses.append({name: float(value) for name, value in {**result.losses, **means}.items()})
        if not index:
            gradients = {
                f"{network}.{name}": parameter.grad.cpu().clone()
                for network, module in networks(step).items()
                for name, parameter in module.named_parameters()
                if parameter.grad is not None
            }
    assert {value.device.type for value in step.discriminator.state_dict().values()} == {
        device.type
    }
    after = weights_of(step)
    moved = torch.stack([(after[name] - before[name]).norm() for name in after]).norm()
    return Trace(losses, gradients, after, float(moved))


def weights_of(step: AdversarialStep) -> dict[str, Tensor]:
    return {
        f"{network}.{name}": value.detach().cpu().float().clone()
        for network, module in networks(step).items()
        for name, value in module.state_dict().items()
        if value.is_floating_point()
    }


def whole(values: dict[str, Tensor], network: str) -> Tensor:
    """All values of one network as one vector."""
    return torch.cat(
        [value.flatten() for name, value in values.items() if name.startswith(network)]
    )


def deviations(found: Trace, expected: Trace) -> dict[str, float]:
    """How far two traces lie apart.

    Returns:
        first: Largest relative deviation of the first step's losses. later: of the others. gradient: of a
        parameter's gradient, relative to its norm and a little of its network's. weights: Norm of the
        difference after all steps, relative to what the steps changed.
    """
    assert found.gradients.keys() == expected.gradients.keys()
    apart = []
    for ours, theirs in zip(found.losses, expected.losses, strict=True):
        assert ours.keys() == theirs.keys()
        apart.append(
            max(abs(ours[name] - value) / (abs(value) + 0.1) for name, value in theirs.items())
        )
    floors = {network: 0.01 * float(whole(expected.gradients, network).norm()) for network in "GD"}
    gradient = {
        name: float((found.gradients[name] - value).norm() / (value.norm() + floors[name[0]]))
        for name, value in expected.gradients.items()
    }
    moved = torch.stack([(found.weights[k] - v).norm() for k, v in expected.weights.items()]).norm()
    return {
        "first": apart[0],
        "later": max(apart[1:], default=0.0),
        "gradient": max(gradient.values()),
        "weights": float(moved) / expected.moved,
    }
