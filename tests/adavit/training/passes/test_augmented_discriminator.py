"""D(T(x)): what is shown, and its gradient."""

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from adavit.augment import AugmentPipe, make_pipe
from adavit.augment.pipe import part_of
from adavit.models.names import Side
from adavit.training.passes.augmented_discriminator import AugmentedDiscriminator
from tests.kernel_sides import KernelSides
from tests.networks import make_resnet, make_vit


class Quadratic(nn.Module):
    """D(x) = w sum x^2 over the first `kept` rows, so that every number has a closed form."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.5))

    def draw_pass(self, batch: int, side: Side, generator: torch.Generator) -> dict[str, Tensor]:
        return {"kept": torch.randint(1, 5, (batch,), generator=generator)}

    def judge(
        self,
        images: Tensor,
        labels: Tensor | None,
        *,
        kept: Tensor | None = None,
        twice_differentiable: bool = False,
    ) -> tuple[Tensor, tuple[Tensor]]:
        rows = torch.arange(images.shape[2])
        mask = torch.ones(len(images), len(rows)) if kept is None else rows < kept[:, None]
        vectors = (images.square() * mask[:, None, :, None]).sum(dim=(1, 2, 3))
        return self.weight * vectors, (vectors,)


def stream() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(6, 3, 4, 5, generator=stream()) * 2 - 1


def test_a_view_holds_what_the_discriminator_is_shown(images: Tensor) -> None:
    pipe = AugmentPipe(xflip=1, noise=1)
    augmented = AugmentedDiscriminator(Quadratic(), pipe, None)
    view = augmented.view(images, stream())
    again = stream()
    assert torch.equal(view.images, pipe(images, generator=again))
    assert torch.equal(view.drawn["kept"], torch.randint(1, 5, (6,), generator=again))
    rows = torch.arange(4) < view.drawn["kept"][:, None]
    expected = 1.5 * (view.images.square() * rows[:, None, :, None]).sum(dim=(1, 2, 3))
    torch.testing.assert_close(augmented.logits(view, None), expected)


def test_other_images_are_shown_alike(images: Tensor) -> None:
    pipe = AugmentPipe(xflip=1, brightness=1)
    augmented = AugmentedDiscriminator(Quadratic(), pipe, None)
    view = augmented.view(images, stream())
    alike = augmented.view_alike(images + 0.25, view)
    torch.testing.assert_close(alike.images, view.images + 0.25)
    assert torch.equal(alike.drawn["kept"], view.drawn["kept"])
    assert not torch.equal(augmented.view(images, view.stream).images, view.images)


@pytest.mark.parametrize("name", ["bgcfnc", "diffaug"])
def test_two_sides_are_shown_by_the_halves_of_what_is_drawn_at_once(
    images: Tensor, name: str
) -> None:
    pipe = make_pipe(name)
    pipe.p.fill_(0.8)
    augmented = AugmentedDiscriminator(Quadratic(), pipe, None)
    others = images.flip(3)
    views = augmented.views({"generated": images, "real": others}, stream())
    again = stream()
    drawn = pipe.sample((12, *images.shape[1:]), again)
    for half, side, own in ((slice(6), "generated", images), (slice(6, None), "real", others)):
        view = views[cast(Side, side)]
        assert torch.equal(view.images, pipe.transform(own, part_of(drawn, half)))
        assert torch.equal(view.drawn["kept"], torch.randint(1, 5, (6,), generator=again))
        assert torch.equal(augmented.view_alike(own, view).images, view.images)


def test_extra_operations_are_shown_alike(images: Tensor) -> None:
    pipe = AugmentPipe(xflip=1, extra=[(lambda x: x + torch.rand(len(x), 1, 1, 1), 0.5)])
    augmented = AugmentedDiscriminator(Quadratic(), pipe, None)
    views = augmented.views({"generated": images, "real": images}, stream())
    moved = [view.images.sort(dim=3).values - images.sort(dim=3).values for view in views.values()]
    assert not torch.allclose(*moved)
    for view in views.values():
        before = view.stream.get_state()
        alike = augmented.view_alike(images, view)
        assert torch.equal(alike.images, view.images)
        assert torch.equal(view.stream.get_state(), before)


def test_nothing_is_changed_at_probability_zero(images: Tensor) -> None:
    pipe = AugmentPipe(xflip=1, rotate=1, noise=1)
    pipe.p.fill_(0)
    assert torch.equal(
        AugmentedDiscriminator(Quadratic(), pipe, None).view(images, stream()).images,
        images,
    )


def test_the_gradient_can_be_differentiated_again(images: Tensor) -> None:
    network = Quadratic()
    augmented = AugmentedDiscriminator(network, AugmentPipe(), None)
    view = augmented.view(images.requires_grad_(), stream())
    logits, vectors = augmented.judge(view, None, twice_differentiable=True)
    torch.testing.assert_close(logits, 1.5 * vectors[0])
    (gradient,) = torch.autograd.grad(logits.sum(), view.images, create_graph=True)
    rows = (torch.arange(4) < view.drawn["kept"][:, None])[:, None, :, None]
    torch.testing.assert_close(gradient, 3 * images * rows)
    (of_weight,) = torch.autograd.grad(gradient.square().sum(), network.weight)
    torch.testing.assert_close(of_weight, 2 * 1.5 * (4 * images.square() * rows).sum())


def test_networks_run_in_the_type_of_the_run_and_logits_come_in_float32(images: Tensor) -> None:
    seen = []

    class Product(Quadratic):
        def judge(
            self, images: Tensor, labels: Tensor | None, **_: object
        ) -> tuple[Tensor, tuple[Tensor]]:
            product = images.flatten(1) @ images.flatten(1).T
            seen.append(product.dtype)
            return product.sum(1), (images,)

    for dtype in (None, torch.bfloat16):
        augmented = AugmentedDiscriminator(Product(), AugmentPipe(), dtype)
        logits = augmented.logits(augmented.view(images, stream()), None)
        assert logits.dtype == torch.float32
    assert seen == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize(
    "network",
    [
        lambda: make_resnet(resolution=32, channel_base=64, channel_max=8),
        lambda: make_resnet(resolution=32, channel_base=64, channel_max=8, form="r3gan"),
        *(
            lambda stem=stem: make_vit(resolution=32, width=12, depth=1, stem=stem)
            for stem in ("overlap", "conv", "hybrid")
        ),
    ],
    ids=["resnet", "r3gan", "overlap", "conv", "hybrid"],
)
def test_r1_convolves_with_no_kernel_as_large_as_the_features(
    network: Callable[[], nn.Module],
) -> None:
    """PyTorch's own second derivative does: nine tenths of what R1 took on an accelerator."""
    augmented = AugmentedDiscriminator(network(), AugmentPipe(), None)
    images = torch.rand(2, 3, 32, 32, generator=stream()).requires_grad_()
    with KernelSides() as kernels:
        view = augmented.view(images, stream())
        logits, _ = augmented.judge(view, None, twice_differentiable=True)
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        gradient.square().sum().backward()
    assert 0 < max(kernels.seen) <= 8
