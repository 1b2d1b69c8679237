"""What the hooks see is what the encoder does."""

import math

import pytest
import torch
from torch import Tensor

from adavit.models import ViTDiscriminator
from adavit.models.vit.axial import AxialBlock
from adavit.models.vit.parts import ATTENTIONS, READOUTS
from adavit.watch.attention_flow import attention_between_all_tokens
from adavit.watch.capture import SeenAttention, Tokens, observe
from adavit.watch.figures import measure_encoder
from tests.networks import make_vit


class Notes:
    def __init__(self) -> None:
        self.attentions: list[SeenAttention] = []
        self.states: list[Tokens] = []

    def attention(self, seen: SeenAttention) -> None:
        self.attentions.append(seen)

    def tokens(self, seen: Tokens) -> None:
        self.states.append(seen)


def discriminator(**arguments: object) -> ViTDiscriminator:
    torch.manual_seed(0)
    sizes = {"resolution": 16, "patch": 4, "width": 16, "heads": 2, "depth": 2, "layer_scale": 1.0}
    return make_vit(**{**sizes, **arguments}).eval()


def images(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("readout", READOUTS)
def test_every_attention_and_every_state_is_seen(attention: str, readout: str) -> None:
    network, notes = discriminator(attention=attention, readout=readout, registers=2), Notes()
    before = network(images())
    observe(network, images(), notes)
    halves = [" rows", " columns"] if attention == "axial" else [""]
    names = [f"block {number}{half}" for number in (1, 2) for half in halves]
    assert [seen.name for seen in notes.attentions] == names
    assert [seen.name for seen in notes.states] == ["embedding", "block 1", "block 2"]
    for seen in notes.attentions:
        torch.testing.assert_close(seen.weights, seen.logits.softmax(dim=-1))
        torch.testing.assert_close(seen.weights.sum(-1), torch.ones_like(seen.weights[..., 0]))
    assert {tuple(seen.patches.shape) for seen in notes.states} == {(3, 16, 16)}
    read = notes.states[-1].patches
    expected = network.encoder(images(), twice_differentiable=True)[:, -16:]
    torch.testing.assert_close(read, expected)
    assert [seen.read for seen in notes.states] == [True, True, readout != "cls"]
    line = 4 if attention == "axial" else 16
    assert notes.attentions[-1].read == (1 if readout == "cls" else line + ("cls" in readout))
    for seen in notes.attentions[:-1]:  # registers too: later attention looks at them
        assert seen.read == seen.logits.shape[-2] == line + ("cls" in readout) + 2
    torch.testing.assert_close(network(images()), before, rtol=0, atol=0)  # hooks are gone


def test_hooks_go_when_an_observer_fails() -> None:
    class Failing(Notes):
        def attention(self, seen: SeenAttention) -> None:
            raise KeyError("no")

    network = discriminator()
    with pytest.raises(KeyError):
        observe(network, images(), Failing())
    assert not any(module._forward_hooks for module in network.modules())


def test_dot_attention_is_that_of_the_formula() -> None:
    network, notes = discriminator(attention="dot", depth=1), Notes()
    observe(network, images(), notes)
    block = network.encoder.blocks[0]
    encoder = network.encoder
    assert encoder.class_token is not None
    tokens = torch.cat([encoder.class_token.expand(3, -1, -1), encoder.embed(images())], dim=1)
    projected = block.attention.query_key_value(block.attention_norm(encoder.position(tokens)))
    queries, keys, _ = projected.unflatten(2, (3, 2, 8)).unbind(2)  # [B, T, heads, d]
    logits = torch.einsum("bqhd,bkhd->bhqk", queries, keys) / 8**0.5
    torch.testing.assert_close(notes.attentions[0].logits[:, 0], logits)


def test_whole_axial_attention_mixes_values_as_the_lines_do() -> None:
    network, notes = discriminator(attention="axial", depth=1, registers=2), Notes()
    encoder, mixed = network.encoder, []
    half = encoder.blocks[0].along_rows.attention
    inputs: list[Tensor] = []
    handles = [
        half.register_forward_pre_hook(lambda module, args: inputs.append(args[0])),
        half.output.register_forward_pre_hook(lambda module, args: mixed.append(args[0])),
    ]
    observe(network, images(), notes)
    for handle in handles:
        handle.remove()
    block = encoder.blocks[0]
    assert isinstance(block, AxialBlock)
    lines = mixed[0].unflatten(0, (3, 4))  # [B, rows, class + columns + registers, D]
    values = half.query_key_value(inputs[0]).unflatten(2, (3, 2, 8))[:, :, 2]
    values = values.unflatten(0, (3, 4))  # [B, rows, K, heads, d]
    tokens = torch.cat([values[:, 0, :1], values[:, :, 1:5].flatten(1, 2), values[:, 0, 5:]], dim=1)
    seen = notes.attentions[0]
    whole = attention_between_all_tokens(seen.weights, seen.direction, encoder.layout)
    found = torch.einsum("bhqk,bkhd->bqhd", whole, tokens).flatten(2)
    expected = [lines[:, :, :1].mean(1), lines[:, :, 1:5].flatten(1, 2), lines[:, :, 5:].mean(1)]
    torch.testing.assert_close(found, torch.cat(expected, dim=1))


def test_figures_do_not_depend_on_how_many_images_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = discriminator(registers=1, readout="cls+gap")
    together = measure_encoder(network, images(5))
    monkeypatch.setattr("adavit.watch.figures.NUMBERS_AT_A_TIME", 2 * 2 * 18**2)
    apart = measure_encoder(network, images(5))
    torch.testing.assert_close(together.maps, apart.maps)
    for one, other in zip(together.attention, apart.attention, strict=True):
        assert one.entropy == pytest.approx(other.entropy, rel=1e-5)
        assert one.largest_logit == pytest.approx(other.largest_logit, rel=1e-5)
        assert together.distance_px[one.name] == pytest.approx(apart.distance_px[one.name])
    similar = [[state.similarity for state in side.tokens] for side in (together, apart)]
    assert similar[0] == pytest.approx(similar[1], rel=1e-5)
    assert len(together.maps) == 5


@torch.no_grad()
def test_equal_queries_make_uniform_attention_and_a_known_rollout() -> None:
    network = discriminator(attention="dot", depth=2)
    for block in network.encoder.blocks:
        block.attention.query_key_value.weight.zero_()
    found = measure_encoder(network, images())
    steps = [(a - b) for a in range(4) for b in range(4)]
    mean = sum(4 * math.hypot(x, y) for x in steps for y in steps) / 16**2
    for layer in found.attention:
        assert layer.entropy == pytest.approx([1.0, 1.0])
        assert layer.largest_logit == [0.0, 0.0]
        assert found.distance_px[layer.name] == pytest.approx([mean, mean])
    torch.testing.assert_close(found.maps, torch.full((3, 4, 4), 3 / 4 / 17))
