from typing import Any

import pytest

from adavit.training.start.differences import OF_NETWORKS, OF_TRUNKS, told_differences
from tests.networks import GENERATOR, RESNET, VIT

HERE: dict[str, Any] = {"heads": 4, "stem": "linear", "layer_scale": 0.1}


def test_only_what_was_asked_for_and_differs_is_told() -> None:
    there = {"heads": 2, "stem": "conv", "layer_scale": 0.5}
    assert told_differences(HERE, there, ("stem", "heads")) == [
        "stem is 'linear', there 'conv'",
        "heads is 4, there 2",
    ]
    assert told_differences(HERE, HERE, HERE) == []


@pytest.mark.parametrize("there", [{}, {"heads": None}])
def test_what_is_not_known_of_both_is_not_compared(there: dict[str, Any]) -> None:
    assert told_differences(HERE, there, ("heads",)) == []
    assert told_differences(there, HERE, ("heads",)) == []


def test_all_that_is_compared_are_arguments_of_the_networks() -> None:
    assert VIT.keys() >= set(OF_TRUNKS)
    assert set(OF_NETWORKS["generator"]) <= GENERATOR.keys()
    assert set(OF_NETWORKS["discriminator"]) <= VIT.keys() | RESNET.keys()
