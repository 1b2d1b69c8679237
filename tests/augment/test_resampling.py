import math

import kornia
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from adavit.augment.resampling import _Resample, _sampling_grid, resample
from adavit.augment.wavelets import SYM6
from tests.augment.helpers import random_images, smooth_images
from tests.references import augment_reference as reference

SIZES = [(17, 11), (1, 1), (1, 9), (3, 2), (32, 32), (33, 70), (97, 64)]


def linear_map(images: Tensor, inverse: Tensor, *, transposed: bool = False) -> Tensor:
    """The resampler, without the way out for identity maps."""
    active = torch.ones(len(images), dtype=torch.bool)
    grid = _sampling_grid(inverse, *images.shape[2:], images.dtype)
    return _Resample.apply(images, grid, active, transposed)


def identities(batch: int) -> Tensor:
    return torch.eye(3, dtype=torch.float64).repeat(batch, 1, 1)


def turned(angle: float, scale: float = 1.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    return reference.rotation(angle) @ np.diag([scale, scale, 1]) @ reference.translation(x, y)


@pytest.mark.parametrize("size", SIZES)
def test_identity_through_the_filters_is_exact_with_borders(size: tuple[int, int]) -> None:
    images = random_images(2, 3, *size)
    found = linear_map(images, identities(2))
    torch.testing.assert_close(found, images, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [(17, 11), (32, 32), (64, 48)])
def test_identity_through_the_filters_in_single_precision(size: tuple[int, int]) -> None:
    # Longer axes lose more to the normalised float32 positions: 3e-5 at 256 pixels.
    images = random_images(2, 3, *size, dtype=torch.float32)
    torch.testing.assert_close(linear_map(images, identities(2)), images, rtol=0, atol=1e-5)


def test_identity_map_returns_the_image_bit_for_bit() -> None:
    images = random_images(3, 1, 9, 260, dtype=torch.float32)
    inverse = identities(3)
    inverse[1, 0, 2] = 0.25
    found = resample(images, inverse)
    assert torch.equal(found[[0, 2]], images[[0, 2]])
    assert not torch.allclose(found[1], images[1])


@pytest.mark.parametrize("shift", [(2, 0), (-3, 1), (0, 5)])
def test_shift_by_whole_pixels_is_exact_within(shift: tuple[int, int]) -> None:
    images, (x, y) = random_images(1, 2, 40, 36), shift
    inverse = torch.from_numpy(reference.translation(-x, -y))[None]
    found = linear_map(images, inverse)[..., 12:-12, 12:-12]
    expected = torch.roll(images, (y, x), (2, 3))[..., 12:-12, 12:-12]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("size", "inverse"),
    [
        ((17, 11), turned(0.3)),
        ((11, 17), turned(-1.2, 0.8, 2.3, -1.1)),
        ((12, 12), turned(2.5, 1.2)),
        ((40, 35), turned(0.1, 0.9, -0.4, 0.7)),
        ((5, 7), turned(0.7, 0.9)),
    ],
)
def test_resampling_equals_the_slow_reference(size: tuple[int, int], inverse: np.ndarray) -> None:
    image = smooth_images(1, 2, *size)
    found = resample(image, torch.from_numpy(inverse)[None])[0].numpy()
    expected = reference.resample(image[0].numpy(), inverse, np.array(SYM6))
    error = np.abs(found - expected)
    # Within the image they agree to rounding. Reflected areas differ by the asymmetry of sym6: we reflect
    # the upsampled line, the reference the pixels.
    y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in size), indexing="ij")
    source = np.einsum("ij,jhw->ihw", inverse[:2], np.stack([x, y, np.ones_like(x)]))
    inside = (np.abs(source[0]) < size[1] / 2 - 4) & (np.abs(source[1]) < size[0] / 2 - 4)
    assert inside.sum() == 0 or error[:, inside].max() < 1e-9
    assert np.median(error) < 0.02
    assert error.max() < 0.3


def test_resampling_agrees_with_kornia_on_smooth_images() -> None:
    images = smooth_images(1, 3, 48, 64)
    inverse = torch.from_numpy(turned(0.4, 0.7, 1.5, -2.0))[None]
    # kornia takes the map from source to destination in pixels from the corner.
    centre = torch.tensor([[1, 0, 31.5], [0, 1, 23.5], [0, 0, 1]], dtype=torch.float64)
    forward = centre @ inverse[0].inverse() @ centre.inverse()
    expected = kornia.geometry.transform.warp_affine(
        images, forward[None, :2], (48, 64), padding_mode="reflection", align_corners=True
    )
    found = resample(images, inverse)
    # Bilinear interpolation of the waves by kornia is good to about that.
    torch.testing.assert_close(found[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8], rtol=0, atol=5e-3)


@pytest.mark.parametrize("size", [(17, 11), (70, 41), (1, 6), (33, 100)])
def test_gradient_is_the_transpose(size: tuple[int, int]) -> None:
    images, other = random_images(2, 2, *size), random_images(2, 2, *size, seed=1)
    inverse = torch.from_numpy(np.stack([turned(0.7, 1.4, 30, -9), turned(-2.0, 0.6)]))
    left = (linear_map(images, inverse) * other).sum()
    right = (images * linear_map(other, inverse, transposed=True)).sum()
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [(17, 11), (1, 6), (33, 100)])
def test_in_a_fixed_order_the_gradient_is_the_same(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = random_images(3, 2, *size)
    inverse = torch.from_numpy(np.stack([turned(0.7, 1.4, 30, -9), np.eye(3), turned(-2.0, 0.6)]))
    expected = linear_map(images, inverse, transposed=True)
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    monkeypatch.setattr("adavit.augment.resampling._spread", None)
    found = linear_map(images, inverse, transposed=True)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_large_batches_are_worked_on_in_parts_with_the_same_result(monkeypatch) -> None:
    images = random_images(5, 2, 13, 9)
    inverse = torch.from_numpy(np.stack([turned(0.3 * i, 1.1) for i in range(5)]))
    expected = resample(images, inverse)
    monkeypatch.setattr("adavit.augment.resampling._CHUNK_BYTES", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    torch.testing.assert_close(resample(images, inverse), expected, rtol=0, atol=1e-13)


def test_far_positions_are_finite_and_repeat_with_the_period_of_two_reflections() -> None:
    images = smooth_images(1, 1, 16, 16)
    near, far = (
        torch.from_numpy(reference.translation(x, 0))[None] for x in (48.25, 48.25 + 30 * 40)
    )
    found = resample(images, far)
    torch.testing.assert_close(found, resample(images, near), rtol=0, atol=1e-9)
    assert found.abs().max() < 1.5


def test_gradients_of_both_orders_are_those_of_finite_differences() -> None:
    images = random_images(2, 1, 4, 3).requires_grad_()
    inverse = torch.from_numpy(np.stack([turned(0.5, 1.3), np.eye(3)]))

    def work(value: Tensor) -> Tensor:
        return resample(value, inverse)

    assert gradcheck(work, (images,), fast_mode=True)
    assert gradgradcheck(work, (images,), fast_mode=True)


def test_vectorised_over_images_equals_one_by_one() -> None:
    images = random_images(3, 2, 1, 6, 5)
    inverse = torch.from_numpy(np.stack([turned(0.5, 1.3), turned(-0.2)]))
    expected = torch.stack([resample(part, inverse) for part in images])
    found = torch.func.vmap(resample, in_dims=(0, None))(images, inverse)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    moved = torch.func.vmap(resample, in_dims=(1, None), out_dims=1)(
        images.transpose(0, 1), inverse
    )
    torch.testing.assert_close(moved.transpose(0, 1), expected, rtol=0, atol=1e-12)


def test_an_empty_batch_stays_empty() -> None:
    assert resample(torch.zeros(0, 3, 4, 4), torch.zeros(0, 3, 3)).shape == (0, 3, 4, 4)


def test_constant_images_stay_constant() -> None:
    images = torch.full((1, 1, 20, 31), 0.75, dtype=torch.float64)
    inverse = torch.from_numpy(turned(math.pi / 5, 1.7, 40, 3))[None]
    torch.testing.assert_close(resample(images, inverse), images, rtol=0, atol=1e-10)


def test_filters_made_in_inference_mode_serve_training_later() -> None:
    inverse = torch.from_numpy(turned(0.4))[None]
    with torch.inference_mode():
        resample(torch.zeros(1, 1, 13, 29), inverse)
    images = torch.zeros(1, 1, 13, 29, requires_grad=True)
    resample(images, inverse).sum().backward()
    assert images.grad is not None
