import pytest
import torch

from adavit.models.layers import EqualisedLinear
from adavit.models.limits import LR_MULTIPLIERS


@pytest.mark.parametrize("multiplier", LR_MULTIPLIERS)
def test_weights_at_the_ends_of_the_learning_rates_are_numbers(multiplier: float) -> None:
    layer = EqualisedLinear(8, 8, lr_multiplier=multiplier)
    assert torch.isfinite(layer.weight).all()
    assert torch.isfinite(layer(torch.ones(2, 8))).all()
