import kornia
import numpy as np
import pytest
import torch

from adavit.augment import AugmentPipe, Filtering
from adavit.augment.filtering import band_gains, filter_dense, filter_long
from adavit.augment.wavelets import SYM2
from tests.augment.helpers import random_images
from tests.references import augment_reference as reference

GAINS_LOG2 = [[0.5, -1.0, 2.0, 0.3], [0.0, 0.0, 0.0, -1.5]]


@pytest.mark.parametrize("size", [(17, 11), (1, 3), (70, 66), (64, 80)])
def test_filtering_equals_the_slow_reference(size: tuple[int, int]) -> None:
    images = random_images(2, 3, *size)
    gains_log2 = torch.tensor(GAINS_LOG2, dtype=torch.float64)
    found = Filtering(imgfilter=1).transform(images, {"gains_log2": gains_log2})
    bank = reference.filter_bank(np.array(SYM2))
    for index in range(2):
        taps = reference.band_gains(2 ** np.array(GAINS_LOG2[index])) @ bank
        expected = reference.filter_image(images[index].numpy(), taps)
        np.testing.assert_allclose(found[index].numpy(), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_filters_are_those_of_the_paper_in_a_module_of_any_type(dtype: torch.dtype) -> None:
    gains_log2 = torch.tensor(GAINS_LOG2, dtype=torch.float64)
    plain = Filtering(imgfilter=1)
    moved = torch.nn.Sequential(Filtering(imgfilter=1)).to(dtype)[0]
    images = random_images(2, 3, 17, 70)
    expected = plain.transform(images, {"gains_log2": gains_log2})
    assert torch.equal(moved.filters(gains_log2), plain.filters(gains_log2))
    assert torch.equal(moved.transform(images, {"gains_log2": gains_log2}), expected)
    assert not plain.state_dict()


def test_filtering_agrees_with_kornia() -> None:
    images = random_images(2, 3, 80, 70)
    gains_log2 = torch.tensor(GAINS_LOG2, dtype=torch.float64)
    group = Filtering(imgfilter=1)
    taps = group.filters(gains_log2)
    expected = kornia.filters.filter2d_separable(images, taps, taps, border_type="reflect")
    found = group.transform(images, {"gains_log2": gains_log2})
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("axes", [(2,), (3,), (2, 3)])
def test_both_ways_to_filter_give_the_same_with_their_gradients(axes: tuple[int, ...]) -> None:
    images = random_images(2, 3, 40, 30).requires_grad_()
    taps = Filtering(imgfilter=1).filters(torch.tensor(GAINS_LOG2, dtype=torch.float64))
    dense = images
    for axis in axes:
        dense = filter_dense(dense, taps, axis)
    convolved = filter_long(images, taps, axes)
    weights = random_images(2, 3, 40, 30)
    torch.testing.assert_close(convolved, dense, rtol=0, atol=1e-12)
    expected, found = (
        torch.autograd.grad((result * weights).sum(), images) for result in (dense, convolved)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_gains_of_one_return_the_images_bit_for_bit() -> None:
    images = random_images(3, 3, 17, 70, dtype=torch.float32)
    values = {"gains_log2": torch.tensor([[0.0] * 4, [0.0, 1.0, 0.0, 0.0], [0.0] * 4])}
    found = Filtering(imgfilter=1).transform(images, values)
    assert torch.equal(found[[0, 2]], images[[0, 2]])
    assert not torch.allclose(found[1], images[1])


def test_gains_keep_the_expected_power_when_one_band_changes() -> None:
    gains = band_gains(torch.tensor([[0.0, 1.5, 0.0, 0.0]], dtype=torch.float64))
    power = torch.tensor([10, 1, 1, 1], dtype=torch.float64) / 13
    assert (power * gains.square()).sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("quantile", [None, 0.8])
def test_a_band_with_multiplier_zero_is_never_changed(quantile: float | None) -> None:
    pipe = AugmentPipe(imgfilter=1, imgfilter_bands=(1, 0, 1, 1))
    gains = pipe.sample((200, 3, 8, 8), quantile=quantile)["filtering"]["gains_log2"]
    assert (gains[:, 1] == 0).all()
    assert (gains[:, [0, 2, 3]] != 0).all()


def test_wrong_bands_are_refused() -> None:
    with pytest.raises(ValueError, match=r"imgfilter_bands is \(1, 1\), but must be 4 numbers"):
        AugmentPipe(imgfilter=1, imgfilter_bands=(1, 1))
