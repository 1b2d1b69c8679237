"""Training steps of every network: the device learns what the CPU learns."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch

from adavit.models.names import (
    AttentionKind,
    PositionEmbedding,
    ReadoutKind,
    ResNetForm,
    Stem,
    WeightConstraint,
)
from tests.gpu.steps import RESNET, VIT, Layer, deviations, trained
from tests.published_vit import write_published

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("float32", "same_draws")]

LIMITS = {"first": 1e-3, "gradient": 5e-3, "later": 5e-3, "weights": 0.1}
"""Of `deviations` in float32. The first step starts from the same weights; from then on the sign of a gradient that is
all but 0 may differ, and Adam's first steps are as long as the rate whatever the gradient's length. Weights that were
off by 2e-6 of themselves, more than sums in another order make, led to at most 3e-5, 4e-4, 8e-5 and 0.011."""

VITS: dict[str, dict[str, Any]] = {
    **{f"stem {stem}": {"stem": stem} for stem in get_args(Stem)},
    **{f"position {name}": {"position_embedding": name} for name in get_args(PositionEmbedding)},
    **{f"attention {kind}": {"attention": kind} for kind in get_args(AttentionKind)},
    **{f"readout {kind}": {"readout": kind} for kind in get_args(ReadoutKind)},
    **{f"constraint {kind}": {"weight_constraint": kind} for kind in get_args(WeightConstraint)},
    "registers and groups": {"registers": 2, "minibatch_std_group": 4},
    "dropped patches": {"patch_drop": 0.25},
    "heads of five features": {"width": 20, "heads": 4},  # of which fused attention takes eight
}


def check(device: torch.device, record: Any, *layers: Layer, **keywords: Any) -> None:
    """Fails where the device is further from the CPU than `LIMITS`; the junit file keeps how far it was."""
    apart = deviations(
        trained(device, *layers, **keywords), trained(torch.device("cpu"), *layers, **keywords)
    )
    for name, value in apart.items():
        record(name, f"{value:.1e}")
    assert all(apart[name] <= limit for name, limit in LIMITS.items()), f"{apart}, not {LIMITS}"


@pytest.mark.parametrize("parts", VITS.values(), ids=VITS)
def test_a_transformer(
    device: torch.device, record_property: Callable[..., None], parts: dict[str, Any]
) -> None:
    check(device, record_property, {"discriminator": {**VIT, **parts}})


@pytest.mark.parametrize("form", get_args(ResNetForm))
def test_a_convolutional_network(
    device: torch.device, record_property: Callable[..., None], form: str
) -> None:
    group = {"minibatch_std_group": 0 if form == "r3gan" else 4}
    check(device, record_property, {"discriminator": {**RESNET, "form": form, **group}})


@pytest.mark.parametrize(
    ("channels", "layer"),
    [
        (3, {"data": {"cond": True}}),
        (4, {"data": {"channels": "rgba"}}),
        (1, {"data": {"channels": "grey"}}),
        (3, {"data": {"cond": True}, "discriminator": RESNET, "training": {"microbatch": 4}}),
        (3, {"generator": {"noise": "none"}}),
    ],
    ids=["classes", "alpha", "grey", "classes of microbatches", "no noise"],
)
def test_other_images(
    device: torch.device, record_property: Callable[..., None], channels: int, layer: Layer
) -> None:
    check(device, record_property, layer, channels=channels)


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_published(tmp_path_factory.mktemp("weights") / "vit.pth")


NO_PENALTY = {"r1_gamma": 0.0}
CRITICS: dict[str, tuple[Layer, int]] = {
    "beside": ({"features": {"mixing": "scales", "p": 0.5, "width": 8}}, 3),
    "beside, alpha": ({"features": {"mixing": "channels", "loss": "hinge", "width": 8}}, 4),
    "projected": (
        {
            "discriminator": {"kind": "projected"},
            "features": {"mixing": "scales", "width": 8},
            "training": {"loss": "hinge", **NO_PENALTY},
        },
        3,
    ),
    "projected, san, classes": (
        {
            "discriminator": {"kind": "projected"},
            "features": {"width": 8},
            "training": {"san": True, **NO_PENALTY},
            "data": {"cond": True},
        },
        3,
    ),
}


@pytest.mark.parametrize(("layer", "channels"), CRITICS.values(), ids=CRITICS)
def test_a_critic_on_frozen_features(
    device: torch.device,
    record_property: Callable[..., None],
    convolutional: str,
    layer: Layer,
    channels: int,
) -> None:
    named: Layer = {"features": {**layer["features"], "network": convolutional, "side": 64}}
    check(device, record_property, {**layer, **named}, channels=channels, steps=2)


PUBLISHED: dict[str, Layer] = {
    "critic": {"features": {"network": "", "side": 64, "class_token": True, "width": 8}},
    "start": {
        "training": {"init_discriminator": ""},
        "discriminator": {"width": 768, "heads": 12, "depth": 1},
    },
    "teacher": {"training": {"distill_weight": 1.0, "distill_width": 12, "distill_network": ""}},
}


@pytest.mark.parametrize("use", PUBLISHED)
def test_the_published_transformer(
    device: torch.device, record_property: Callable[..., None], transformer: str, use: str
) -> None:
    layer = {
        section: {key: transformer if value == "" else value for key, value in keys.items()}
        for section, keys in PUBLISHED[use].items()
    }
    check(device, record_property, layer, steps=1)
