from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor

from adavit.models import resampling
from adavit.models.resampling import FIR_TAPS, downsample, smooth, sums_of_shifts, upsample
from tests.references.models import downsampled_by_loops, filtered_by_loops, upsampled_by_zeros


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def plane_by_plane(images: Tensor, function) -> Tensor:
    planes = [[function(plane.numpy()) for plane in image] for image in images]
    return torch.from_numpy(np.array(planes))


@pytest.fixture(params=["convolution", "products", "sums"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What a CPU does, what an accelerator does, and what is compiled for it."""
    accelerated = request.param != "convolution"
    monkeypatch.setattr(resampling, "is_accelerator", lambda _device: accelerated)
    with sums_of_shifts() if request.param == "sums" else nullcontext():
        yield request.param


def test_taps_are_the_binomial_filter_with_sum_one() -> None:
    assert sum(FIR_TAPS) == 1.0
    assert FIR_TAPS == (1 / 8, 3 / 8, 3 / 8, 1 / 8)


@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_smooth_equals_the_filter_by_loops(padding: int) -> None:
    images = drawn(3, 5, 11, 7)
    expected = plane_by_plane(images, lambda plane: filtered_by_loops(plane, padding, 4.0))
    torch.testing.assert_close(smooth(images, padding=padding, gain=4.0), expected)


def test_upsample_equals_zero_insertion_and_filter() -> None:
    images = drawn(2, 3, 5, 7)
    torch.testing.assert_close(upsample(images), plane_by_plane(images, upsampled_by_zeros))


def test_downsample_equals_filter_and_every_second_pixel() -> None:
    images = drawn(2, 3, 10, 6)
    torch.testing.assert_close(downsample(images), plane_by_plane(images, downsampled_by_loops))


def test_resampling_keeps_a_constant_away_from_the_border() -> None:
    images = torch.full((1, 1, 8, 12), 0.7, dtype=torch.float64)
    for result in (upsample(images), downsample(images), smooth(images, padding=1)):
        inside = result[..., 1:-1, 1:-1]
        torch.testing.assert_close(inside, torch.full_like(inside, 0.7))


@pytest.mark.parametrize(
    "resample",
    [
        upsample,
        downsample,
        lambda images: smooth(images, padding=1, gain=4.0),
        lambda images: smooth(images, padding=2),
    ],
    ids=["up", "down", "smooth1", "smooth2"],
)
def test_resampling_has_right_first_and_second_derivatives(resample) -> None:
    images = drawn(2, 2, 4, 6).requires_grad_()
    assert torch.autograd.gradcheck(resample, images)
    # The operation is linear, so its square is what has a second derivative.
    assert torch.autograd.gradgradcheck(lambda x: resample(x).square(), images)


def test_channels_last_stays_channels_last() -> None:
    images = torch.randn(2, 5, 8, 8).to(memory_format=torch.channels_last)
    for result in (upsample(images), downsample(images), smooth(images, padding=1)):
        assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("resample", [upsample, downsample])
def test_bfloat16_stays_and_is_rounded_once_or_after_each_product(
    resample: Callable[[Tensor], Tensor], way: str
) -> None:
    features = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(0)).bfloat16()
    found = resample(features)
    assert found.dtype == torch.bfloat16
    expected = resample(features.double())
    # Half a unit of the last of 8 binary places, and what small sums lose against large terms.
    often = {"convolution": 1, "products": 2, "sums": 1}[way]
    torch.testing.assert_close(found.double(), expected, rtol=often * 2**-8, atol=often * 2**-8)
