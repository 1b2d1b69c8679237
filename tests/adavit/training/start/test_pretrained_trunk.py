from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.errors import UserError
from adavit.models.fitting import resize_position_embeddings
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.runs.trunk_file import StoredTrunk
from adavit.training.start.pretrained_trunk import initialise_trunk
from tests.adavit.conftest import ARGUMENTS

Make = Callable[..., ViTDiscriminator]


def trunk(discriminator: Make, **changes: Any) -> StoredTrunk:
    return StoredTrunk(
        encoder=discriminator(seed=1, **changes).encoder,
        arguments={**ARGUMENTS, **changes},
        config={},
        data_fingerprint="",
        images=0,
        figures={},
        path=Path("trunk.safetensors"),
    )


def initialise(network: ViTDiscriminator, stored: StoredTrunk, **changes: Any) -> str:
    return initialise_trunk(network, stored, {**ARGUMENTS, **changes})


def test_the_whole_trunk_is_taken_over_and_nothing_else(discriminator: Make) -> None:
    network, stored = discriminator(num_classes=3), trunk(discriminator)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    text = initialise(network, stored)
    for name, tensor in network.state_dict().items():
        if name.startswith("encoder."):
            assert torch.equal(tensor, stored.state()[name.removeprefix("encoder.")]), name
        else:
            assert torch.equal(tensor, before[name]), name
    assert not torch.equal(network.encoder.class_token, before["encoder.class_token"])
    count = len(stored.state())
    assert (
        text == f"Loaded {count} of {count} tensors of the discriminator's trunk from"
        " trunk.safetensors."
    )


def test_what_does_not_fit_is_named(discriminator: Make) -> None:
    network = discriminator(depth=3, patch=8)
    before = network.encoder.blocks[2].mlp[0].weight.clone()
    stored = trunk(discriminator, stem="conv")
    text = initialise(network, stored, depth=3, patch=8)
    assert torch.equal(network.encoder.blocks[2].mlp[0].weight, before)
    assert torch.equal(
        network.encoder.blocks[1].mlp[0].weight, stored.encoder.blocks[1].mlp[0].weight
    )
    drawn, unused, *settings = text.split("; ")[1:]
    assert drawn.startswith("drawn from the seed: stem.projection.weight, blocks.2.")
    assert "more" in drawn
    assert unused.startswith("not used: stem.stages.0.weight")
    assert settings == [
        "patch is 8, there 4",
        "depth is 3, there 2",
        "stem is 'overlap', there 'conv'.",
    ]


@pytest.mark.parametrize("position", ["learned1d", "learned2d", "relative"])
def test_positions_are_interpolated_to_another_grid(discriminator: Make, position: str) -> None:
    changes: dict[str, Any] = {"position_embedding": position, "readout": "cls+gap"}
    stored = trunk(discriminator, **changes)
    network = discriminator(resolution=32, **changes)
    given = {name: tensor.clone() for name, tensor in stored.state().items()}
    expected = resize_position_embeddings(given, network.encoder, grid=(4, 4))
    count = len(given)
    text = initialise(network, stored, resolution=32, **changes)
    assert text.startswith(f"Loaded {count} of {count} tensors")
    for name, tensor in network.encoder.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    for name, tensor in stored.state().items():
        assert torch.equal(tensor, given[name]), name


def test_a_table_without_the_class_token_does_not_fit(discriminator: Make) -> None:
    network, stored = discriminator(readout="gap"), trunk(discriminator)
    before = network.encoder.position.table.clone()
    text = initialise(network, stored, readout="gap")
    assert "drawn from the seed: position.table" in text
    assert "not used: class_token" in text
    assert torch.equal(network.encoder.position.table, before)


def test_other_sizes_are_refused_with_the_settings_that_differ(discriminator: Make) -> None:
    network, stored = discriminator(width=24, patch=8), trunk(discriminator)
    with pytest.raises(UserError, match=r"patch is 8, there 4; width is 24, there 16"):
        initialise(network, stored, width=24, patch=8)
