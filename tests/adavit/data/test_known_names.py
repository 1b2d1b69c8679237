import pytest
import torchvision

from adavit.data.known_names import NAMES, TORCHVISION_SETS


def test_the_drawn_set_is_named_first() -> None:
    assert NAMES == ("small_set", "cifar10", "cifar100", "stl10", "flowers102")


@pytest.mark.parametrize("name", TORCHVISION_SETS)
def test_each_other_name_is_a_class_of_torchvision(name: str) -> None:
    assert getattr(torchvision.datasets, TORCHVISION_SETS[name].class_name).__name__.lower() == name
