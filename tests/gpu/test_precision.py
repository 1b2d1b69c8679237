"""Training steps where the device rounds, and twice the same ones."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from adavit.metrics.extractors.extractor import exact_arithmetic
from tests.augment.helpers import EVERYTHING, pipe_of, random_images
from tests.gpu.steps import RESNET, Layer, Trace, deviations, trained, whole
from tests.gpu.test_networks import LIMITS

pytestmark = pytest.mark.gpu

CPU = torch.device("cpu")
NETWORKS: dict[str, dict[str, Any]] = {
    "vit": {},
    "axial": {"attention": "axial", "stem": "conv"},
    "l2": {"attention": "l2", "weight_constraint": "isn"},
    "heads of five features": {"width": 20, "heads": 4},
    "resnet": RESNET,
    "r3gan": {**RESNET, "form": "r3gan", "minibatch_std_group": 0},
    "chain": {**RESNET, "normalization": "chain"},
}


def cosines(found: Trace, expected: Trace) -> dict[str, float]:
    """Between the gradients of two first steps, by network."""
    return {
        network: float(
            torch.cosine_similarity(
                whole(found.gradients, network), whole(expected.gradients, network), dim=0
            )
        )
        for network in "GD"
    }


@pytest.mark.usefixtures("same_draws")
@pytest.mark.parametrize("discriminator", NETWORKS.values(), ids=NETWORKS)
def test_gradients_in_bfloat16_point_where_those_in_float32_do(
    device: torch.device, record_property: Callable[..., None], discriminator: dict[str, Any]
) -> None:
    """Lists of what autocast casts differ by device, so the CPU's own bfloat16 is the measure of how near that is."""
    layer: Layer = {"discriminator": discriminator}
    exact = trained(CPU, layer, steps=2)
    rough: Layer = {"training": {"precision": "bf16"}}
    angles: dict[str, dict[str, float]] = {}
    for where in (CPU, device):
        trace = trained(where, layer, rough, steps=2)
        angles[where.type] = cosines(trace, exact)
        for name, value in exact.losses[0].items():
            if name.startswith(("loss", "logits")):
                assert trace.losses[0][name] == pytest.approx(value, rel=0.05, abs=0.05), name
    record_property("cosines", str(angles))
    for network, cosine in angles[device.type].items():
        assert cosine > min(0.98, angles[CPU.type][network] - 0.05), angles


@pytest.mark.usefixtures("same_draws")
@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_what_a_device_rounds_unasked_is_little(
    device: torch.device, record_property: Callable[..., None], kind: str
) -> None:
    """TF32 of convolutions, which is torch's default."""
    layer: Layer = {"discriminator": RESNET if kind == "resnet" else {"stem": "conv"}}
    rough, exact = trained(device, layer), trained(CPU, layer)
    record_property("apart", f"{deviations(rough, exact)} {cosines(rough, exact)}")
    assert deviations(rough, exact)["first"] < 0.02
    assert min(cosines(rough, exact).values()) > 0.99


@pytest.mark.parametrize("shape", [(4, 3, 32, 32), (2, 3, 70, 66)], ids=str)
def test_at_p_0_a_pipe_rounds_nothing(device: torch.device, shape: tuple[int, ...]) -> None:
    """With torch's own settings, in which a CUDA device multiplies in TF32 where it convolves."""
    pipe = pipe_of(EVERYTHING).to(device)
    pipe.p.zero_()
    images = random_images(*shape, dtype=torch.float32).to(device)
    found = pipe(images, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, images, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_the_same_steps_again(
    device: torch.device, record_property: Callable[..., None], kind: str
) -> None:
    """With the device's own draws; its sums may come in another order."""
    layer: Layer = {"discriminator": RESNET} if kind == "resnet" else {}
    first, second = trained(device, layer), trained(device, layer)
    same = all(torch.equal(second.weights[name], value) for name, value in first.weights.items())
    apart = deviations(first, second)
    record_property("same bits", str(same))
    record_property("apart", str(apart))
    assert all(apart[name] <= limit for name, limit in LIMITS.items()), apart
    if device.type != "cuda":
        assert same


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_steps_with_the_devices_own_draws_are_like_those_of_the_cpu(
    device: torch.device, record_property: Callable[..., None], kind: str
) -> None:
    """Other numbers of the same distributions: losses are alike, to what eight images tell."""
    layer: Layer = {"discriminator": RESNET} if kind == "resnet" else {}
    found, expected = (trained(where, layer).losses[0] for where in (device, CPU))
    record_property("losses", f"{found} {expected}")
    for name in ("loss_generator", "loss_discriminator"):
        assert found[name] == pytest.approx(expected[name], rel=0.5), name


def test_what_measures_is_exact_within_a_rough_step(device: torch.device) -> None:
    weight = torch.ones(4, 4, device=device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        assert (weight @ weight).dtype == torch.bfloat16
        with exact_arithmetic():
            assert (weight @ weight).dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_a_compiled_step(
    device: torch.device, record_property: Callable[..., None], kind: str
) -> None:
    torch._dynamo.reset()
    layer: Layer = {"discriminator": RESNET} if kind == "resnet" else {}
    compiled = trained(device, layer, {"training": {"compile": True}}, steps=2)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    eager = trained(device, layer, steps=2)
    record_property("apart", f"{deviations(compiled, eager)} {cosines(compiled, eager)}")
    assert deviations(compiled, eager)["first"] < 0.02
    assert min(cosines(compiled, eager).values()) > 0.99
