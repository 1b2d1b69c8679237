"""StyleGAN2's blocks."""

import math

import pytest
import torch

from adavit.models.layers import EqualisedConv2d
from adavit.models.resnet.stylegan2 import DenseEpilogue, PlainBlock, ResidualBlock
from adavit.runtime.resolution import Resolution


def test_the_plain_block_is_the_main_branch_of_the_residual_one() -> None:
    torch.manual_seed(0)
    residual, plain = ResidualBlock(4, 6), PlainBlock(4, 6)
    plain.load_state_dict(
        {key: value for key, value in residual.state_dict().items() if "skip" not in key}
    )
    features = torch.randn(2, 4, 8, 12)
    main = (residual(features) - residual.skip(features)) * math.sqrt(2)
    torch.testing.assert_close(plain(features), main, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (6, 4), (4, 6)])
def test_means_over_places_are_means_over_those_of_another_grid(grid: tuple[int, int]) -> None:
    torch.manual_seed(0)
    there, here = (
        DenseEpilogue(3, 1, Resolution(*size), EqualisedConv2d) for size in ((4, 6), grid)
    )
    here.convolution = there.convolution = torch.nn.Identity()
    given = torch.randn(3, 3)[:, :, None].expand(3, 3, 24).flatten(1)
    with torch.no_grad():
        there.dense.weight.copy_(given)
        here.dense.weight.copy_(here.resized(given, Resolution(4, 6)))
    level = torch.randn(2, 3, 1, 1)
    outputs = [each(level.expand(2, 3, *each.grid)) for each in (there, here)]
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-5)
    with pytest.raises(RuntimeError):
        here.resized(torch.randn(2, 2 * 24), Resolution(4, 6))


def test_the_same_grid_keeps_its_weights_bit_for_bit() -> None:
    epilogue = DenseEpilogue(3, 0, Resolution(3, 5), EqualisedConv2d)
    weight = torch.randn(3, 45)
    assert torch.equal(epilogue.resized(weight, Resolution(3, 5)), weight)
