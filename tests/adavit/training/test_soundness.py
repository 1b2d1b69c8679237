import math

import pytest
import torch
from torch import nn

from adavit.training.soundness import LARGEST_WEIGHT, ailment


def network(value: float) -> nn.Module:
    made = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    with torch.no_grad():
        made[0].weight[1, 1] = value
    return made


@pytest.mark.parametrize("value", [0.0, 400.0, -LARGEST_WEIGHT])
def test_large_weights_are_no_ailment(value: float) -> None:
    assert ailment({"generator": network(value)}) == ""


@pytest.mark.parametrize(
    ("value", "named"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "inf"), (-3e29, "3e+29")]
)
def test_the_first_network_that_diverged_is_named_with_its_tensor(value: float, named: str) -> None:
    networks = {"generator": network(1), "discriminator": network(value), "third": network(value)}
    expected = f"the weights of the discriminator reach {named} (in 0.weight)"
    assert ailment(networks) == expected


def test_buffers_count_and_whole_numbers_do_not() -> None:
    made = network(0.0)
    made[1].num_batches_tracked.fill_(10**9)
    assert ailment({"generator": made}) == ""
    made[1].running_var[2] = 1e7
    assert (
        ailment({"generator": made})
        == "the weights of the generator reach 1e+07 (in 1.running_var)"
    )
