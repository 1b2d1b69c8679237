from typing import Any

import pytest
import torch
from torch import nn

from adavit.models.resnet.r3gan import R3GANBlock
from tests.networks import make_resnet, make_vit

KINDS = ["resnet", "plain", "r3gan", "vit"]


def small(kind: str, seed: int = 0, **sizes: Any) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind != "vit":
            form = "residual" if kind == "resnet" else kind
            made: nn.Module = make_resnet(
                **({"resolution": 16, "channel_max": 8, "form": form} | sizes)
            )
            if kind == "r3gan":  # its blocks start as the identity, behind which nothing is seen
                for block in made.blocks:
                    if isinstance(block, R3GANBlock):
                        nn.init.normal_(block.layers[4].weight, std=0.2)
            return made
        return make_vit(**({"resolution": 16, "width": 24} | sizes))


def drawn(batch: int = 3, channels: int = 3, resolution: int = 16, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, resolution, resolution, generator=generator) * 2 - 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("resolution", [4, 8, 16, 32, 64])
@pytest.mark.parametrize(("channels", "batch"), [(1, 1), (3, 3), (4, 6)])
def test_there_is_one_finite_logit_an_image(
    kind: str, resolution: int, channels: int, batch: int
) -> None:
    discriminator = small(kind, resolution=resolution, image_channels=channels)
    images = drawn(batch, channels, resolution)
    before = images.clone()
    logits = discriminator(images)
    assert logits.shape == (batch,)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert torch.equal(images, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("group", [0, 4])
def test_gradients_reach_every_parameter_and_the_images(
    kind: str, num_classes: int, group: int
) -> None:
    discriminator = small(kind, num_classes=num_classes, minibatch_std_group=group)
    images = drawn(4).requires_grad_()
    labels = torch.tensor([0, 1, 2, 1]) if num_classes else None
    logits = discriminator(images, labels)
    (logits * torch.tensor([1.0, -2.0, 0.5, 3.0])).sum().backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert (images.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", [0, 2])
def test_r1_and_its_gradient_match_differences(kind: str, group: int) -> None:
    discriminator = small(kind, resolution=8, minibatch_std_group=group).double()
    images = drawn(2, resolution=8).double().requires_grad_()
    layer = discriminator.encoder.stem.projection if kind == "vit" else discriminator.from_image
    step = 1e-6

    def image_gradient() -> torch.Tensor:
        logits = discriminator(images, twice_differentiable=True)
        return torch.autograd.grad(logits.sum(), images, create_graph=True)[0]

    direction = torch.randn_like(images)
    with torch.no_grad():
        ends = [discriminator(images + sign * step * direction).sum() for sign in (1, -1)]
    slope = (image_gradient() * direction).sum().detach()
    torch.testing.assert_close(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-4, atol=1e-8)

    # The gradient of R1 in the first layer's weight has gone through every other layer twice.
    (exact,) = torch.autograd.grad(image_gradient().square().sum(), layer.weight)
    direction, weight = torch.randn_like(exact), layer.weight.detach().clone()
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            layer.weight.copy_(weight + sign * step * direction)
        values.append(image_gradient().square().sum().detach())
    slope = (exact * direction).sum()
    torch.testing.assert_close(slope, (values[0] - values[1]) / (2 * step), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_r1_reaches_every_weight_that_is_not_an_offset(kind: str) -> None:
    discriminator = small(kind)
    images = drawn().requires_grad_()
    logits = discriminator(images, twice_differentiable=True)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in discriminator.named_parameters():
        if name.endswith("weight"):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", KINDS)
def test_logits_do_not_depend_on_twice_differentiable(kind: str) -> None:
    discriminator = small(kind, resolution=32)
    images = drawn(resolution=32)
    torch.testing.assert_close(
        discriminator(images), discriminator(images, twice_differentiable=True), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_labels_change_the_logits(kind: str) -> None:
    discriminator = small(kind, num_classes=3)
    logits = [discriminator(drawn(), torch.full((3,), label)) for label in range(3)]
    assert (logits[0] - logits[1]).abs().min() > 1e-5
    assert (logits[1] - logits[2]).abs().min() > 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_without_minibatch_std_an_image_is_judged_alone(kind: str) -> None:
    alone = small(kind, minibatch_std_group=0)
    torch.testing.assert_close(alone(drawn(5))[2:3], alone(drawn(5)[2:3]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_with_minibatch_std_the_other_images_matter(kind: str) -> None:
    together = small(kind, minibatch_std_group=4)
    assert (together(drawn(4))[2] - together(drawn(4)[2:3])[0]).abs() > 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_autocast_is_finite_and_close(kind: str) -> None:
    discriminator = small(kind)
    expected = discriminator(drawn(8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = discriminator(drawn(8))
    assert logits.dtype == torch.float32
    logits.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in discriminator.parameters())
    # bfloat16 has 8 bits: 0.4% an operation, about ten deep.
    assert (logits - expected).norm() / expected.norm() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_penalty_works_under_bfloat16_autocast(kind: str) -> None:
    discriminator = small(kind)
    images = drawn().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = discriminator(images, twice_differentiable=True)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in discriminator.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict_round_trips_to_the_same_logits(kind: str) -> None:
    first, second = small(kind, seed=0), small(kind, seed=1)
    assert not torch.allclose(first(drawn()), second(drawn()))
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(first(drawn()), second(drawn()))


# First logits under `weights_by_number`, as commit c0f7be6 gave them; torch 2.15 and 2.11 agree, which draw a
# network's own weights differently.
PINNED_LOGITS = [
    ("vit", {"resolution": 32, "width": 192, "stem": "linear"}, [-1.743356, -1.536095, -1.657489]),
    (
        "vit",
        {
            "resolution": 32,
            "width": 96,
            "depth": 2,
            "mlp_ratio": 2.0,
            "minibatch_std_group": 4,
            "stem": "linear",
        },
        [0.605865, 0.619613, 0.569995],
    ),
    (
        "vit",
        {"num_classes": 3, "image_channels": 4, "minibatch_std_group": 2, "stem": "linear"},
        [1.314575, 2.442351, 1.653211],
    ),
    ("resnet", {"resolution": 32, "channel_max": 16}, [-4.340690, -4.358044, -4.348397]),
    ("resnet", {"num_classes": 3}, [-0.087900, -1.338427, -1.076664]),
    ("resnet", {"minibatch_std_group": 0}, [1.811170, 1.793970, 1.772651]),
]


def weights_by_number(discriminator: nn.Module, scale: float) -> None:
    """Fills the parameters in their order, which Adam's saved moments rely on."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in discriminator.named_parameters():
            # Those of the labels' layers are used at a hundredth.
            size = 100 if "projection.layers" in name else scale
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * size)


@pytest.mark.parametrize(("kind", "sizes", "expected"), PINNED_LOGITS)
def test_networks_give_pinned_logits(
    kind: str, sizes: dict[str, Any], expected: list[float]
) -> None:
    discriminator = small(kind, **sizes)
    weights_by_number(discriminator, 0.3 if kind == "vit" else 1)
    resolution, channels = sizes.get("resolution", 16), sizes.get("image_channels", 3)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, channels, resolution, resolution, generator=generator) * 2 - 1
    labels = torch.arange(8) % 3 if sizes.get("num_classes") else None
    logits = discriminator(images, labels)
    torch.testing.assert_close(logits[:3], torch.tensor(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_weights(kind: str) -> None:
    first, second = small(kind, seed=5).state_dict(), small(kind, seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"resolution": 36}, r"resolution is 36, but sides must be a \* 2\^k.* Use 40"),
        ({"image_channels": 0}, "image_channels is 0, but must be at least 1"),
        ({"num_classes": -2}, "num_classes is -2, but must be at least 0"),
        ({"minibatch_std_group": -1}, "minibatch_std_group is -1"),
    ],
)
def test_bad_sizes_are_refused_with_a_remedy(
    kind: str, sizes: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        small(kind, **sizes)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_do_not_fit_are_refused_with_a_remedy(kind: str) -> None:
    with pytest.raises(
        ValueError, match=r"shape \[3, 3, 8, 8\], but this network takes \[B, 3, 16"
    ):
        small(kind)(drawn(resolution=8))
    with pytest.raises(ValueError, match="no classes"):
        small(kind)(drawn(), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="labels are None"):
        small(kind, num_classes=2)(drawn())
