"""What a ViT discriminator alone has; the rest is in test_discriminators.py."""

from typing import Any

import pytest
import torch

from adavit.models.vit import attention
from tests.adavit.models.test_discriminators import drawn, small
from tests.adavit.models.vit.test_parts import made, pictures


def test_fused_vit_has_no_second_derivative_so_the_argument_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # If a torch release changes this, exact attention is for few tokens on a CPU only.
    monkeypatch.setattr(attention, "EXACT_UP_TO_TOKENS", {})
    discriminator = small("vit")
    images = drawn().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    with pytest.raises(RuntimeError, match="not implemented"):
        gradient.square().sum().backward()


def test_vit_starts_as_documented() -> None:
    discriminator = small("vit", resolution=32, width=192)
    block = discriminator.encoder.blocks[0]
    assert discriminator.encoder.position.table.shape == (1, 65, 192)
    assert discriminator.encoder.position.table.std().item() == pytest.approx(0.02, rel=0.05)
    assert discriminator.head.dense.weight.std().item() == pytest.approx(0.02, rel=0.2)
    torch.testing.assert_close(block.attention_scale.factors, torch.full((192,), 0.1))
    bound = (6 / (192 + 768)) ** 0.5
    assert block.mlp[0].weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert block.mlp[0].bias.abs().max() == 0


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"patch": 5}, r"patch is 5, but must divide the resolution \(16\).*Use 4\."),
        ({"heads": 5}, r"heads is 5, but must divide width \(24\)"),
        ({"depth": 0}, "depth is 0, but must be at least 1"),
        ({"mlp_ratio": 0.0}, "mlp_ratio is 0.0"),
    ],
)
def test_bad_vit_sizes_are_refused_with_a_remedy(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small("vit", **sizes)


@pytest.mark.parametrize("num_classes", [0, 2])
def test_the_logit_of_an_image_is_the_mean_over_its_patches(num_classes: int) -> None:
    discriminator = made(readout="tokens", num_classes=num_classes)
    images, labels = pictures(), torch.tensor([0, 1])
    with torch.no_grad():
        tokens = discriminator.encoder(images, twice_differentiable=False)
        vectors = discriminator.head.dense(discriminator.encoder.norm(tokens))  # [2, 16, .]
        if num_classes:
            each = [discriminator.head.projection(vectors[:, i], labels) for i in range(16)]
            expected = torch.stack(each).mean(dim=0)
        else:
            expected = vectors.mean(dim=(1, 2))
    logits = discriminator(images, labels if num_classes else None)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)
