import pytest
import torch

import adavit
from adavit.errors import UserError
from adavit.publishing import plain_generator
from adavit.publishing.exported_network import (
    MAPPING,
    SYNTHESIS,
    WHOLE,
    ExportedNetwork,
    expected_output,
)
from tests.adavit.publishing.conftest import WriteGenerator


def test_mapping_and_synthesis_are_the_whole_in_two(write_generator: WriteGenerator) -> None:
    file = write_generator(num_classes=3)
    weights, sizes = plain_generator.read(str(file))
    whole, mapping, synthesis = (
        ExportedNetwork(part, weights, sizes, half=False) for part in (WHOLE, MAPPING, SYNTHESIS)
    )
    given = {
        "latents": torch.randn(2, 6),
        "labels": torch.tensor([2, 0]),
        "truncation": torch.tensor(0.6),
    }
    assert whole.input_names() == mapping.input_names() == tuple(given)
    assert synthesis.input_names() == ("w",)
    w = mapping(*given.values())
    assert w.shape == (2, 4, 7)  # a style for each of two layers at 4 and 8 pixels
    assert torch.equal(synthesis(w), whole(*given.values()))
    assert not set(mapping.state_dict()) & set(synthesis.state_dict())
    generator = adavit.load_generator(file)
    for network, inputs in ((whole, given), (mapping, given), (synthesis, {"w": w})):
        torch.testing.assert_close(
            network(*inputs.values()),
            expected_output(generator, network.part, inputs),
            rtol=1e-5,
            atol=1e-5,
        )


def test_half_keeps_weights_in_float16_and_computes_in_float32(
    write_generator: WriteGenerator,
) -> None:
    weights, sizes = plain_generator.read(str(write_generator()))
    network = ExportedNetwork(WHOLE, weights, sizes, half=True)
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float16}
    rounded = {name: tensor.half().float() for name, tensor in weights.items()}
    inputs = torch.randn(1, 6), torch.tensor(1.0)
    drawn = network(*inputs)
    assert drawn.dtype == torch.float32
    assert torch.equal(drawn, plain_generator.draw(rounded, sizes, inputs[0]))


def test_a_weight_that_float16_cannot_hold_is_named(write_generator: WriteGenerator) -> None:
    weights, sizes = plain_generator.read(str(write_generator()))
    weights["mapping.layers.0.weight"][0, 0] = 70_000.0
    ExportedNetwork(WHOLE, weights, sizes, half=False)
    with pytest.raises(
        UserError, match=r"mapping.layers.0.weight, .* 70000, expected at most 65504"
    ):
        ExportedNetwork(WHOLE, weights, sizes, half=True)
