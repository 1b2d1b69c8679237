"""StyleGAN2's blocks."""

import math

import torch

from adavit.models.resnet.stylegan2 import PlainBlock, ResidualBlock


def test_the_plain_block_is_the_main_branch_of_the_residual_one() -> None:
    torch.manual_seed(0)
    residual, plain = ResidualBlock(4, 6), PlainBlock(4, 6)
    plain.load_state_dict(
        {key: value for key, value in residual.state_dict().items() if "skip" not in key}
    )
    features = torch.randn(2, 4, 8, 12)
    main = (residual(features) - residual.skip(features)) * math.sqrt(2)
    torch.testing.assert_close(plain(features), main, rtol=1e-4, atol=1e-5)
