import re

import pytest
import torch
from torchvision.models import mobilenet_v3_small

from adavit.errors import UserError
from adavit.features.architectures import ARCHITECTURES
from adavit.features.torchvision_networks import Torchvision
from adavit.features.weights import Weights
from tests.published_vit import published_state

TAPS = ARCHITECTURES["mobilenet_v3_small"].taps[:2]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_has_a_published_file_whose_name_holds_its_digest(name: str) -> None:
    published = Torchvision().published(name)
    assert published.location.name == ARCHITECTURES[name].file
    assert published.digest_prefix is not None
    assert len(published.digest_prefix) == 8
    int(published.digest_prefix, 16)


def test_what_lies_behind_the_last_tap_is_left_out() -> None:
    network = Torchvision().build("mobilenet_v3_small", side=64, taps=TAPS, weights=None)
    kept = {name.split(".")[2] for name in network.state_dict()}
    assert kept == {"0", "1", "2", "3"}


def test_a_file_without_counters_will_do() -> None:
    torch.manual_seed(0)
    state = mobilenet_v3_small(weights=None).state_dict()
    bare = {name: value for name, value in state.items() if "num_batches" not in name}
    assert len(bare) < len(state)
    network = Torchvision().build(
        "mobilenet_v3_small", side=64, taps=TAPS, weights=Weights(bare, "FILE", "weights")
    )
    for name, value in network.network.state_dict().items():  # type: ignore[union-attr]
        assert "num_batches" in name or torch.equal(value, bare[name])


def test_a_transformer_takes_the_names_of_its_published_file() -> None:
    state = published_state(side=64)
    earlier = {
        name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): value
        for name, value in state.items()
    }
    assert earlier.keys() != state.keys()
    taps, weights = ARCHITECTURES["vit_b_16"].taps[:1], Weights(earlier, "FILE", "weights")
    Torchvision().check("vit_b_16", weights)
    network = Torchvision().build("vit_b_16", side=64, taps=taps, weights=weights)
    for name, value in network.network.state_dict().items():  # type: ignore[union-attr]
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize("shape", [(1, 8, 768), (1, 17, 700), (1, 1, 768), (2, 17, 768), (17,), ()])
def test_positions_of_no_square_of_patches_are_refused_wherever_weights_are_looked_at(
    shape: tuple[int, ...],
) -> None:
    state = published_state(side=64) | {"encoder.pos_embedding": torch.zeros(shape)}
    taps, weights = ARCHITECTURES["vit_b_16"].taps[:1], Weights(state, "FILE", "weights")
    message = re.escape(f"FILE has encoder.pos_embedding of shape {shape} instead of")
    with pytest.raises(UserError, match=message):
        Torchvision().check("vit_b_16", weights)
    with pytest.raises(UserError, match=message):
        Torchvision().build("vit_b_16", side=64, taps=taps, weights=weights)


def test_random_weights_are_always_the_same_and_take_nothing_from_others() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    states = []
    for seed in (3, 4):
        torch.manual_seed(seed)
        network = Torchvision().build("mobilenet_v3_small", side=64, taps=TAPS, weights=None)
        states.append(network.state_dict())
        assert seed != 3 or torch.equal(torch.rand(1), expected)
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
