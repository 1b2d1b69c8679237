import pytest
import torch

from adavit.curation.transformations import TRANSFORMATIONS, turned_by
from tests.adavit.curation.conftest import blobs

BY_KEY = {each.key: each for each in TRANSFORMATIONS}


def versions(key: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    images = torch.from_numpy(blobs(9)).float() / 127.5 - 1
    return images, *BY_KEY[key].versions(images, torch.Generator().manual_seed(1))


def test_a_mirror_and_quarter_turns_move_pixels_alone() -> None:
    images, plain, changed = versions("xflip")
    assert torch.equal(plain, images)
    assert torch.equal(changed.flip(-1), images)
    images, plain, changed = versions("rotate90")
    assert torch.equal(plain, images)
    for image, turned in zip(images, changed, strict=True):
        counts = [k for k in range(4) if torch.equal(torch.rot90(image, k, (1, 2)), turned)]
        assert counts
        assert counts != [0]


def test_a_hue_rotation_keeps_luma_and_length() -> None:
    images, _, changed = versions("hue")
    torch.testing.assert_close(changed.mean(1), images.mean(1), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        changed.square().sum(1), images.square().sum(1), rtol=1e-4, atol=1e-4
    )
    assert float((changed - images).abs().mean()) > 0.05


def test_a_luma_flip_turns_luma_around_and_keeps_colour() -> None:
    images, _, changed = versions("lumaflip")
    torch.testing.assert_close(changed.mean(1), -images.mean(1), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        changed - changed.mean(1, keepdim=True),
        images - images.mean(1, keepdim=True),
        rtol=0,
        atol=1e-5,
    )


@pytest.mark.parametrize("degrees", [90.0, 180.0])
def test_turns_by_quarters_are_those_of_the_pixels(degrees: float) -> None:
    images = torch.from_numpy(blobs(2)).float() / 127.5 - 1
    turned = turned_by(images, torch.full((2,), degrees))
    straight = turned_by(images, torch.zeros(2))
    expected = torch.rot90(straight, round(degrees / 90), (2, 3))
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-4)


def test_both_versions_of_a_turn_are_resampled() -> None:
    images, plain, changed = versions("rotate")
    assert not torch.equal(plain, images)
    assert torch.equal(plain == 0, changed == 0)
