import time
from typing import Any

import pytest
import torch
from torch import nn

from adavit.models import Generator
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.runs.stored_network import build_stored
from adavit.runs.weights_file import UNUSABLE
from tests.adavit.conftest import ARGUMENTS
from tests.networks import GENERATOR, make_generator

SMALL = {**GENERATOR, "resolution": 8, "latent_dim": 6, "style_dim": 7, "channel_base": 64}


def test_a_network_comes_back_with_its_tensors_and_the_random_state_stays() -> None:
    stored = make_generator(**SMALL).state_dict()
    state = torch.random.get_rng_state()
    built = build_stored(lambda: Generator(**SMALL), stored)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, stored[name]) for name, value in built.state_dict().items())
    assert not any(value.is_meta for value in (*built.parameters(), *built.buffers()))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"style_dim": 40_000}, "arguments ask for"),
        ({"style_dim": 10**400}, None),
        ({"latent_dim": 10**22}, None),
        ({"num_classes": 10**9}, "lacks mapping.embedding"),
        ({"mapping_layers": 10**9}, "many more"),
        ({"mapping_layers": 10**22}, None),
        ({"channel_base": 2**62, "channel_max": 2**61}, None),
        ({"resolution": 2**60}, None),
        ({"mapping_lr_multiplier": 0}, "mapping_lr_multiplier is 0"),
        ({"mapping_lr_multiplier": 1e33}, "from 1e-05 to 1000"),
        ({"mapping_lr_multiplier": float("nan")}, "mapping_lr_multiplier is nan"),
        ({"style_dim": "x"}, None),
        ({"style_dim": None}, None),
    ],
)
def test_arguments_that_ask_for_more_than_the_tensors_build_nothing(
    argument: dict[str, Any], message: str | None
) -> None:
    stored = make_generator(**SMALL).state_dict()
    started = time.monotonic()
    with pytest.raises(UNUSABLE, match=message):
        build_stored(lambda: Generator(**{**SMALL, **argument}), stored)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "argument",
    [{"depth": 10**9}, {"width": 2**40, "heads": 1}, {"patch": 10**22}, {"heads": 10**9}],
)
def test_the_same_of_a_trunk(argument: dict[str, Any]) -> None:
    stored = ViTDiscriminator(**ARGUMENTS).encoder.state_dict()
    with pytest.raises(UNUSABLE):
        build_stored(
            lambda: ViTDiscriminator(**{**ARGUMENTS, **argument}), stored, lambda n: n.encoder
        )


@pytest.mark.parametrize("constraint", ["none", "sn", "isn"])
@pytest.mark.parametrize("position", ["learned1d", "learned2d", "sincos2d", "relative", "rope2d"])
def test_every_trunk_is_built_without_memory_first(constraint: str, position: str) -> None:
    form = {**ARGUMENTS, "weight_constraint": constraint, "position_embedding": position}
    stored = ViTDiscriminator(**form).encoder.state_dict()
    built = build_stored(lambda: ViTDiscriminator(**form), stored, lambda network: network.encoder)
    assert all(
        torch.equal(value, stored[name]) for name, value in built.encoder.state_dict().items()
    )


def test_tensors_are_compared_by_name_and_shape() -> None:
    stored = nn.Linear(3, 2).state_dict()
    with pytest.raises(
        ValueError, match=r"its weight is \[2, 3\], but its arguments ask for \[2, 4\]"
    ):
        build_stored(lambda: nn.Linear(4, 2), stored)
    with pytest.raises(ValueError, match="it lacks bias"):
        build_stored(lambda: nn.Linear(3, 2), {"weight": stored["weight"]})
    with pytest.raises(ValueError, match="it has bias, which"):
        build_stored(lambda: nn.Linear(3, 2, bias=False), stored)


def test_a_table_that_is_not_stored_is_bounded() -> None:
    class Tabled(nn.Linear):
        def __init__(self, size: int) -> None:
            super().__init__(3, 2)
            self.register_buffer("table", torch.zeros(size), persistent=False)

    stored = nn.Linear(3, 2).state_dict()
    assert build_stored(lambda: Tabled(1000), stored).table.shape == (1000,)
    with pytest.raises(ValueError, match="tables of 1,000,000,000 numbers"):
        build_stored(lambda: Tabled(10**9), stored)
