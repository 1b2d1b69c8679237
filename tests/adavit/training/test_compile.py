"""A compiled discriminator learns what the other one does, penalties included."""

from functools import partial
from typing import Any

import pytest
import torch

from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step
from tests.adavit.training.test_options import BATCH, SMALL, TINY_NETWORKS, Layer, workload

PENALTIES: dict[str, dict[str, Any]] = {
    "exact": {"r1_gamma": 1, "r1_interval": 2, "r2_gamma": 1, "r2_interval": 2},
    "interpolated": {"r1_gamma": 0, "gradient_penalty": 1},
    "approximate": {"r1_gamma": 1, "r2_gamma": 1, "penalty": "approximate", "penalty_sigma": 0.1},
}


PARTS: dict[str, dict[str, Any]] = {
    "lsa": {"attention": "lsa"},
    "l2": {"attention": "l2"},
    "axial": {"attention": "axial"},
    "sn": {"weight_constraint": "sn"},
    "isn": {"weight_constraint": "isn"},
    "patch drop": {"patch_drop": 0.25},
    "relative": {"position_embedding": "relative"},
    "rope2d": {"position_embedding": "rope2d"},
    "conv": {"stem": "conv"},
    "hybrid": {"stem": "hybrid"},
    "spt": {"stem": "spt"},
    "tokens": {"readout": "tokens"},
    "plain": {"kind": "resnet", "form": "plain"},
    "r3gan": {"kind": "resnet", "form": "r3gan", "minibatch_std_group": 0},
}


def gradients(
    parts: dict[str, Any], training: dict[str, Any], compiled: bool
) -> list[torch.Tensor]:
    """Of all weights, in a step without second derivatives and in one with them."""
    kind = parts.get("kind", "vit")
    small: Layer = {**SMALL, "discriminator": {"kind": kind, **TINY_NETWORKS[kind], **parts}}
    # The weights hardly move, so that the second step is compared at the same point.
    still = {"compile": compiled, "discriminator_lr": 1e-9, "generator_lr": 1e-9}
    step = build_step(workload(small, {"training": {**training, **still}}))
    step.set_p(0.7)
    real = torch.rand(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = []
    for images in (BATCH, 2 * BATCH):
        assert step(real, None, images=images, streams=StepStreams.at(0, images)).finite
        for module in (step.generator, step.discriminator):
            found += [p.grad.clone() for p in module.parameters() if p.grad is not None]
    return found


def check_equal(parts: dict[str, Any], training: dict[str, Any]) -> None:
    torch._dynamo.reset()
    plain = gradients(parts, training, compiled=False)
    compiled = gradients(parts, training, compiled=True)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0  # something was compiled
    for one, other in zip(plain, compiled, strict=True):
        # Sums in another order; differences of logits are divided by sigma.
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4 * float(one.abs().max()) + 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_compiled_discriminator_has_the_same_gradients(kind: str, penalty: str) -> None:
    check_equal({"kind": kind}, PENALTIES[penalty])


@pytest.mark.slow
def test_a_constrained_discriminator_is_compiled_in_reasonable_time() -> None:
    # The norm of the head's single row, written out as powers of a 1 x 1 matrix, kept the compiler busy for ever.
    check_equal(PARTS["isn"], PENALTIES["exact"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_the_last_layer_of_san_is_compiled_to_the_same_gradients(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    check_equal({"kind": kind}, {**PENALTIES["exact"], "san": True})


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_traced_to_the_same_gradients(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of torch.compile but the C++ compiler, which takes most of a minute for each of these.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    check_equal(PARTS[name], PENALTIES["exact"])
