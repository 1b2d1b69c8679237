import pytest
import torch
import torch.nn.functional as F

from adavit.models.shifted_sums import filter_by_shifts, filter_by_shifts_transposed

CASES = [
    ((0.5, 1.0, 2.0), 1, 1),
    ((0.125, 0.375, 0.375, 0.125), 1, 2),
    ((1.0, 3.0, -2.0, 0.5, 4.0), 2, 3),
]


@pytest.mark.parametrize(("taps", "padding", "stride"), CASES)
def test_the_sum_of_shifts_is_the_depthwise_convolution(
    taps: tuple[float, ...], padding: int, stride: int
) -> None:
    features = torch.randn(2, 3, 9, 12, dtype=torch.float64)
    found = filter_by_shifts(features, taps, padding=padding, stride=stride, gain=1.5)
    line = torch.tensor(taps, dtype=torch.float64)
    kernel = (1.5 * torch.outer(line, line)).expand(3, 1, -1, -1)
    expected = F.conv2d(features, kernel, padding=padding, stride=stride, groups=3)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("taps", "padding", "stride"), CASES)
def test_the_transpose_has_the_inner_products_of_a_transpose(
    taps: tuple[float, ...], padding: int, stride: int
) -> None:
    size = 6
    assert (stride * size + 2 * padding - len(taps)) // stride + 1 == size
    few = torch.randn(2, 3, size, size, dtype=torch.float64)
    many = torch.randn(2, 3, stride * size, stride * size, dtype=torch.float64)
    how = {"padding": padding, "stride": stride, "gain": 0.7}
    down = filter_by_shifts(many, taps, **how)
    up = filter_by_shifts_transposed(few, taps, **how)
    assert up.shape == many.shape
    torch.testing.assert_close((down * few).sum(), (many * up).sum())
