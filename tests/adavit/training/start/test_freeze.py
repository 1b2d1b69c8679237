"""FreezeD: which layers are the lowest."""

import pytest

from adavit.errors import UserError
from adavit.training.start.freeze import freeze_lower_layers, lower_layers
from tests.networks import make_resnet, make_vit


def test_layers_of_a_discriminator_are_counted_from_the_image() -> None:
    resnet = make_resnet(resolution=16, channel_base=64, channel_max=8)
    assert len(lower_layers(resnet)) == 3
    assert lower_layers(resnet)[0][0] is next(resnet.from_image.parameters())
    assert len(lower_layers(resnet)[2]) == len(list(resnet.blocks[1].parameters()))
    vit = make_vit(resolution=8, patch=2, width=16, depth=3, heads=2)
    layers = lower_layers(vit)
    assert len(layers) == 4
    among = {id(parameter) for layer in layers for parameter in layer}
    judge = {
        name.removeprefix("encoder.") for name, p in vit.named_parameters() if id(p) not in among
    }
    assert judge == {"norm.weight", "norm.bias", "head.dense.weight", "head.dense.bias"}


@pytest.mark.parametrize("channel_max", [8, 16])
def test_a_layer_is_a_block_with_weights_whatever_its_number(channel_max: int) -> None:
    sizes = {"resolution": 16, "channel_base": 128, "channel_max": channel_max}
    network = make_resnet(form="r3gan", **sizes)
    # With as many channels before as behind it, what halves the side has no weights.
    blocks = [list(block.parameters()) for block in network.blocks]
    expected = [list(network.from_image.parameters()), *filter(None, blocks)]
    found = lower_layers(network)
    assert [[id(p) for p in layer] for layer in found] == [
        [id(p) for p in layer] for layer in expected
    ]


def test_too_many_frozen_layers_are_an_error() -> None:
    vit = make_vit(resolution=8, patch=2, width=16, depth=3, heads=2)
    with pytest.raises(UserError, match=r"training.freeze_d is 5, but .* has 4 layers"):
        freeze_lower_layers(vit, 5)
