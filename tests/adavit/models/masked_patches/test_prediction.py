from collections.abc import Callable

import numpy as np
import pytest
import torch

from adavit.models.masked_patches.corruption import Corruption, draw_corruption
from adavit.models.masked_patches.prediction import (
    Prediction,
    head_for,
    masked_patch_accuracy,
    masked_patch_loss,
    predict_corrupted,
)
from adavit.models.masked_patches.targets import mean_colour_classes
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.runtime.patch import Patch

Make = Callable[..., ViTDiscriminator]


def draw(batch: int, patches: int = 16) -> Corruption:
    return draw_corruption(batch, patches, torch.Generator().manual_seed(0))


def places(corruption: Corruption) -> list[tuple[int, int]]:
    rows = corruption.corrupted.tolist()
    return [(image, patch) for image, row in enumerate(rows) for patch in row]


def all_masked(*hidden: int) -> Corruption:
    """One image of 16 patches, of which some are hidden."""
    masked = torch.zeros(1, 16, dtype=torch.bool)
    masked[0, list(hidden)] = True
    return Corruption(
        torch.tensor([sorted(hidden)], dtype=torch.int64), masked, torch.arange(16).view(1, 16)
    )


def test_loss_and_accuracy_are_those_of_numpy() -> None:
    logits = torch.randn(40, 512, generator=torch.Generator().manual_seed(0)) * 3
    classes = torch.randint(0, 512, (40,), generator=torch.Generator().manual_seed(1))
    classes[:13] = logits[:13].argmax(dim=1)
    values = logits.double().numpy()
    shifted = values - values.max(axis=1, keepdims=True)
    likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    expected = -likelihood[np.arange(40), classes.numpy()].mean()
    prediction = Prediction(logits, classes)
    assert float(masked_patch_loss(prediction)) == pytest.approx(expected, rel=1e-6)
    hits = (values.argmax(axis=1) == classes.numpy()).mean()
    assert hits >= 13 / 40
    assert float(masked_patch_accuracy(prediction)) == pytest.approx(hits)


def test_corrupted_patches_are_asked_for_their_colour_before_corruption(
    discriminator: Make,
) -> None:
    encoder = discriminator().encoder
    images = torch.rand(5, 3, 16, 16) * 2 - 1
    before, corruption = images.clone(), draw(5)
    prediction = predict_corrupted(encoder, head_for(encoder), images, corruption)
    expected = mean_colour_classes(images, Patch(4, 4)).gather(1, corruption.corrupted).flatten()
    assert prediction.logits.shape == (5 * 8, 512)
    assert torch.equal(prediction.classes, expected)
    assert torch.equal(images, before)


def test_logits_are_a_dense_layer_of_the_normalised_tokens(discriminator: Make) -> None:
    encoder = discriminator(registers=2).encoder
    head = head_for(encoder)
    images, corruption = torch.rand(2, 3, 16, 16) * 2 - 1, draw(2)
    patches = encoder.stem(images)
    for image, patch in places(corruption):
        source = int(corruption.sources[image, patch])
        patches = patches.clone()
        patches[image, patch] = encoder.stem(images)[source // 16, source % 16]
        if corruption.masked[image, patch]:
            patches[image, patch] = head.mask_token
    tokens = encoder.norm(encoder.encode(patches, twice_differentiable=True))[:, 1:]
    expected = torch.stack(
        [
            head.classes.weight @ tokens[image, patch] + head.classes.bias
            for image, patch in places(corruption)
        ]
    )
    result = predict_corrupted(encoder, head, images, corruption).logits
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


def test_a_hidden_patch_cannot_be_seen_but_its_place_can(discriminator: Make) -> None:
    encoder = discriminator(stem="linear").encoder  # the others look beyond the patch
    head = head_for(encoder)
    images = torch.rand(1, 3, 16, 16) * 2 - 1
    painted = images.clone()
    painted[:, :, :4, 4:8] = 1.0  # patch 1
    seen, unseen = all_masked(2, 7), all_masked(1, 7)

    def logits(images: torch.Tensor, corruption: Corruption) -> torch.Tensor:
        return predict_corrupted(encoder, head, images, corruption).logits

    torch.testing.assert_close(logits(images, unseen), logits(painted, unseen), rtol=0, atol=0)
    assert not torch.allclose(logits(images, seen), logits(painted, seen))
    flat = torch.zeros(1, 3, 16, 16)
    first, second = logits(flat, all_masked(1, 7))
    assert not torch.allclose(first, second)


@pytest.mark.parametrize(
    "changes",
    [
        {"readout": "gap"},
        {"readout": "cls+gap", "registers": 3},
        {"attention": "axial"},
        {"attention": "l2", "weight_constraint": "isn"},
        {"position_embedding": "relative"},
        {"stem": "conv"},
        {"patch_drop": 0.5},
        {"image_channels": 1},
        {"image_channels": 4},
    ],
)
def test_every_kind_of_trunk_can_be_trained(discriminator: Make, changes: dict) -> None:
    encoder = discriminator(**changes).encoder
    head = head_for(encoder)
    channels = encoder.image_channels
    images = torch.rand(4, channels, 16, 16) * 2 - 1
    prediction = predict_corrupted(encoder, head, images, draw(4))
    assert prediction.logits.shape == (32, 8**channels)
    masked_patch_loss(prediction).backward()
    for network in (encoder, head):
        for name, weight in network.named_parameters():
            assert weight.grad is not None, name
            assert torch.isfinite(weight.grad).all(), name
    assert head.mask_token.grad is not None
    assert head.mask_token.grad.abs().sum() > 0


def test_bfloat16_gives_float32_logits_near_those_of_float32(discriminator: Make) -> None:
    encoder = discriminator().encoder
    head, images, corruption = head_for(encoder), torch.rand(3, 3, 16, 16), draw(3)
    expected = predict_corrupted(encoder, head, images, corruption).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = predict_corrupted(encoder, head, images, corruption).logits
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, rtol=0, atol=0.02)  # 8 bits of a norm of about 0.1
