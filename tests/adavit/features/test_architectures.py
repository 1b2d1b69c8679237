import pytest
import torch

from adavit.features.architectures import ARCHITECTURES
from adavit.features.network import FrozenNetwork


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_channels_and_strides_are_those_of_the_network(name: str) -> None:
    side = 96
    taps = ARCHITECTURES[name].taps
    maps = FrozenNetwork(name, side=side, taps=taps)(torch.zeros(1, 3, side, side))
    for tap, features in zip(taps, maps, strict=True):
        assert features.shape[1] == tap.channels, tap
        assert features.shape[2] == features.shape[3]
        # Convolutions without padding lose a pixel or two.
        assert side / tap.stride - 2 <= features.shape[3] <= side / tap.stride, tap


def test_taps_go_from_fine_to_coarse() -> None:
    for architecture in ARCHITECTURES.values():
        strides = [tap.stride for tap in architecture.taps]
        assert strides == sorted(strides)
