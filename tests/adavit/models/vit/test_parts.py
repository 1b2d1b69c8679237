"""Every part and every pair of parts that meet, in a whole discriminator, under R1."""

from itertools import combinations, product
from typing import Any

import pytest
import torch
from torch import Tensor

from adavit.models import ViTDiscriminator
from adavit.models.vit.parts import ATTENTIONS, CONSTRAINTS, POSITIONS, READOUTS, STEMS
from tests.networks import make_vit

TABLES: dict[str, list[Any]] = {
    "stem": list(STEMS),
    "position_embedding": list(POSITIONS),
    "attention": list(ATTENTIONS),
    "readout": list(READOUTS),
    "weight_constraint": list(CONSTRAINTS),
}


DEFAULTS = {
    "stem": "overlap",
    "position_embedding": "learned1d",
    "attention": "qknorm",
    "readout": "cls",
    "weight_constraint": "none",
}


FURTHER: list[dict[str, Any]] = [
    {"registers": 2},
    {"patch_drop": 0.5},
    {"minibatch_std_group": 2},
    {"layer_scale": 0.7},
    {"mlp_ratio": 2.0},
    {"num_classes": 2},
    {"depth": 1},
    {"heads": 1},
    {"patch": 4},
]


SINGLE = [{key: name} for key, names in TABLES.items() for name in names] + FURTHER


OTHERS = [
    options for options in SINGLE if not any(DEFAULTS.get(k) == v for k, v in options.items())
]


def made(**parts: Any) -> ViTDiscriminator:
    torch.manual_seed(0)
    sizes = {"resolution": 8, "patch": 2, "width": 16, "depth": 2, "heads": 2, **parts}
    return make_vit(**sizes)


def judged(discriminator: ViTDiscriminator, images: Tensor, *, twice: bool) -> Tensor:
    """Logits with labels where there are classes and the same patches kept in every pass."""
    labels = torch.tensor([0, 1]) if discriminator.num_classes else None
    drawn = discriminator.draw_pass(2, "real", torch.Generator().manual_seed(0))
    return discriminator(images, labels, twice_differentiable=twice, **drawn)


def pictures(dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(2, 3, 8, 8, generator=generator, dtype=dtype) * 2 - 1).requires_grad_()


def penalise(discriminator: ViTDiscriminator) -> None:
    """Backward through R1, after a check that fused and exact passes agree."""
    images = pictures()
    logits = judged(discriminator, images, twice=True)
    torch.testing.assert_close(
        judged(discriminator, images, twice=False), logits, rtol=0, atol=1e-5
    )
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    penalty = gradient.square().sum()
    assert penalty > 0
    penalty.backward()
    gradients = [p.grad for p in discriminator.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    first = next(discriminator.encoder.stem.parameters())
    assert first.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("first", "second"), list(combinations(TABLES, 2)), ids=lambda key: key.split("_")[0]
)
def test_r1_goes_through_every_pair_of_parts(first: str, second: str) -> None:
    for one, other in product(TABLES[first], TABLES[second]):
        penalise(made(**{first: one, second: other}))


@pytest.mark.parametrize("options", FURTHER, ids=str)
@pytest.mark.parametrize("key", TABLES)
def test_r1_goes_through_every_part_with_every_other_option(
    key: str, options: dict[str, Any]
) -> None:
    for name in TABLES[key]:
        if name != "axial" or "patch_drop" not in options:
            penalise(made(**{key: name}, **options))


@pytest.mark.parametrize("options", SINGLE, ids=str)
def test_the_gradient_of_r1_matches_differences(options: dict[str, Any]) -> None:
    discriminator, images = made(**options).double(), pictures(torch.float64)
    parameters = [p for name, p in discriminator.named_parameters() if "projection.l" not in name]

    def penalty() -> Tensor:
        logits = judged(discriminator, images, twice=True)
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return gradient.square().sum()

    exact = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    torch.manual_seed(2)
    directions = [
        torch.randn_like(p) * (p.detach().norm() / p.numel() ** 0.5 + 0.01) for p in parameters
    ]
    slope = sum((g * d).sum() for g, d in zip(exact, directions, strict=True) if g is not None)
    step, values = 1e-6, []
    for sign in (1, -2):  # there, and back past the start
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter.add_(sign * step * direction)
        values.append(penalty().detach())
    expected = (values[0] - values[1]) / (2 * step)
    torch.testing.assert_close(slope, expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("options", OTHERS, ids=str)
def test_every_option_changes_the_logits(options: dict[str, Any]) -> None:
    images, logits = pictures(), []
    for network in (made(), made(**options)):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.3)  # at the start isn changes nothing
        logits.append(judged(network, images, twice=False))
    assert (logits[0] - logits[1]).abs().max() > 1e-4


@pytest.mark.parametrize("options", OTHERS, ids=str)
def test_every_option_survives_the_state_and_bfloat16(options: dict[str, Any]) -> None:
    first, second, images = made(**options), made(**options), pictures()
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.add_(0.1)
    second.load_state_dict(first.state_dict())
    assert torch.equal(judged(first, images, twice=False), judged(second, images, twice=False))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = judged(first, images, twice=True)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert logits.dtype == torch.float32
    assert all(p.grad is None or p.grad.isfinite().all() for p in first.parameters())
    expected = judged(first, images, twice=False)
    # bfloat16 has 8 bits: 0.4% an operation, about ten deep.
    assert (logits - expected).norm() < 0.05 * expected.norm() + 0.01


def test_readouts_judge_what_they_name() -> None:
    tokens = torch.randn(2, 5, 4)
    picked = {name: READOUTS[name]().pick(tokens) for name in READOUTS}
    torch.testing.assert_close(picked["cls"], tokens[:, 0])
    torch.testing.assert_close(picked["gap"], tokens.sum(dim=1) / 5)
    torch.testing.assert_close(picked["cls+gap"][:, 0], tokens[:, 0])
    torch.testing.assert_close(picked["cls+gap"][:, 1], tokens[:, 1:].sum(dim=1) / 4)
    assert READOUTS["cls+gap"]().join(picked["cls+gap"]).shape == (2, 8)
    torch.testing.assert_close(picked["tokens"], tokens)
