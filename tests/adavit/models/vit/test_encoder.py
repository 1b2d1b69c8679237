from typing import Any

import pytest
import torch

from adavit.models.vit.encoder import VisionEncoder
from adavit.models.vit.parts import ATTENTIONS, POSITIONS, STEMS
from tests.networks import make_encoder

SMALL: dict[str, Any] = {
    "image_channels": 3,
    "patch": 4,
    "width": 16,
    "depth": 2,
    "heads": 2,
    "mlp_ratio": 2.0,
    "layer_scale": 0.7,
}


def made(size: tuple[int, int] = (8, 12), **parts: Any) -> VisionEncoder:
    torch.manual_seed(0)
    encoder = make_encoder(image_size=size, **{**SMALL, **parts})
    encoder.draw_weights()
    return encoder


@pytest.mark.parametrize(
    "parts",
    [
        *({"stem": name} for name in STEMS),
        *({"position_embedding": name} for name in POSITIONS),
        *({"attention": name} for name in ATTENTIONS),
        {"registers": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(8, 12), (20, 4), (4, 4)])
@pytest.mark.parametrize("class_tokens", [0, 1])
def test_images_of_any_size_that_the_patch_divides_become_tokens(
    parts: dict[str, Any], size: tuple[int, int], class_tokens: int
) -> None:
    encoder = made(size, class_tokens=class_tokens, **parts)
    count = size[0] * size[1] // 16
    tokens = encoder(torch.randn(2, 3, *size), twice_differentiable=False)
    assert tokens.shape == (2, class_tokens + count, 16)
    assert tokens.isfinite().all()


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("registers", [0, 2])
@pytest.mark.parametrize("twice", [False, True], ids=["fused", "exact"])
def test_the_class_token_alone_is_the_same_class_token(
    attention: str, registers: int, twice: bool
) -> None:
    encoder = made(attention=attention, registers=registers, position_embedding="relative")
    images = torch.randn(2, 3, 8, 12)
    flags = {"twice_differentiable": twice}
    alone, among = encoder(images, **flags, class_token_only=True), encoder(images, **flags)
    assert alone.shape == (2, 1, 16)
    torch.testing.assert_close(alone, among[:, :1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_encoder_has_right_second_derivatives(attention: str) -> None:
    encoder = made(
        (8, 8), attention=attention, position_embedding="rope2d", width=8, heads=2, depth=1
    )
    encoder = encoder.double()
    patches = torch.randn(1, 4, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(
        lambda x: encoder.encode(x, twice_differentiable=True, class_token_only=True), patches
    )


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("parts", [{}, {"registers": 2}, {"class_tokens": 0}], ids=str)
def test_keeping_all_patches_changes_nothing(position: str, parts: dict[str, Any]) -> None:
    encoder = made(position_embedding=position, **parts)
    images = torch.randn(2, 3, 8, 12)
    everything = torch.arange(6).expand(2, 6)
    torch.testing.assert_close(
        encoder(images, twice_differentiable=True, kept=everything),
        encoder(images, twice_differentiable=True),
    )


@pytest.mark.parametrize("twice", [False, True], ids=["fused", "exact"])
def test_a_patch_that_is_not_kept_is_not_seen(twice: bool) -> None:
    encoder = made(position_embedding="relative", registers=1)
    images = torch.randn(2, 3, 8, 12, requires_grad=True)
    kept = torch.tensor([[0, 2, 3], [1, 4, 5]])
    tokens = encoder(images, twice_differentiable=twice, kept=kept)
    assert tokens.shape == (2, 4, 16)
    (gradient,) = torch.autograd.grad((tokens * torch.randn_like(tokens)).sum(), images)
    seen = gradient.unflatten(2, (2, 4)).unflatten(4, (3, 4)).abs().amax(dim=(1, 3, 5)).flatten(1)
    assert [row.nonzero().flatten().tolist() for row in seen] == kept.tolist()


def test_drawn_patches_are_a_part_of_all_and_belong_to_the_generator() -> None:
    encoder = made((32, 32), patch_drop=0.25)
    drawn = [encoder.draw_kept(500, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    assert drawn[0].shape == (500, 48)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert (drawn[0].diff(dim=1) > 0).all()
    counts = drawn[0].flatten().bincount(minlength=64)
    assert len(counts) == 64
    # Binomial, 500 draws of 0.75: mean 375, deviation 9.7.
    assert (counts - 375).abs().max() < 5 * 9.7
    assert made().draw_kept(2, torch.Generator()) is None
    assert made((4, 4), patch_drop=0.9).draw_kept(2, torch.Generator()).tolist() == [[0], [0]]


def test_registers_change_the_other_tokens_and_are_not_returned() -> None:
    images = torch.randn(2, 3, 8, 12)
    with_registers = made(registers=4)
    tokens = with_registers(images, twice_differentiable=False)
    assert tokens.shape == (2, 7, 16)
    with torch.no_grad():
        with_registers.registers.add_(torch.randn(4, 16))
    change = with_registers(images, twice_differentiable=False) - tokens
    assert change.abs().amax(dim=2).min() > 1e-4


def test_embeddings_are_those_of_patches_in_encode() -> None:
    encoder, images = made(), torch.randn(2, 3, 8, 12)
    tokens = encoder.embed(images)
    assert tokens.shape == (2, 6, 16)
    assert torch.equal(
        encoder.encode(tokens, twice_differentiable=False),
        encoder(images, twice_differentiable=False),
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"patch": 5}, r"patch is 5, but must divide the resolution \(8x12\).*wide\. Use 4\."),
        ({"patch": 0}, "patch is 0, but must be at least 1"),
        ({"registers": -1}, "registers is -1, but must be at least 0"),
        ({"stem": "fancy"}, "stem is 'fancy', but must be one of linear, overlap, conv"),
        ({"attention": "window"}, "attention is 'window', but must be one of dot, qknorm"),
        ({"stem": "conv", "patch": 1}, "patch is 1, but must be 2, 4, 8, .* Use 2, or stem"),
        ({"stem": "spt", "patch": 1}, "patch is 1, but must be at least 2 for stem spt"),
        ({"stem": "spt", "patch": "4x1"}, "patch is 4x1, but must be .* spt .* Use 4x2, or stem"),
        ({"stem": "hybrid", "patch": (4, 3)}, "patch is 4x3, but must be .* Use 4x2, or stem"),
        (
            {"position_embedding": "sincos2d", "width": 18},
            "width is 18, but must be a multiple of 4 for position_embedding sincos2d. Use 20",
        ),
        (
            {"position_embedding": "rope2d", "width": 12},
            r"heads is 2, but width / heads \(6\) must be a multiple of 4 for .* rope2d",
        ),
        (
            {"attention": "axial", "patch_drop": 0.5},
            "patch_drop is 0.5, but attention is axial, which needs whole rows",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_a_remedy(
    sizes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        made(**sizes)


def test_a_patch_that_is_no_power_of_two_is_refused_by_stems_that_halve() -> None:
    with pytest.raises(ValueError, match="patch is 6, but must be 2, 4, 8"):
        made((12, 12), patch=6, stem="hybrid")


def test_images_of_another_size_are_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"shape \[1, 3, 12, 8\], but .* takes \[B, 3, 8, 12\]"):
        made()(torch.randn(1, 3, 12, 8), twice_differentiable=False)
