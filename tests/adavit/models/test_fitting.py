import re
from typing import Any

import pytest
import torch
from torch import nn

from adavit.models.fitting import load_fitting, part_of_state, resized_grid, unflatten_other_patches
from adavit.models.san import slice_last_layers
from adavit.runtime.patch import Patch
from tests.networks import make_generator, make_resnet, make_vit


def test_only_what_agrees_by_name_and_shape_is_taken_over() -> None:
    network = nn.ModuleDict({"first": nn.Linear(2, 3), "last": nn.Linear(3, 1)})
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    offered = {
        "first.weight": torch.full((3, 2), 7.0),
        "first.bias": torch.zeros(4),
        "other": torch.zeros(1),
    }
    assert load_fitting(network, offered) == {"first.weight"}
    state = network.state_dict()
    assert (state["first.weight"] == 7).all()
    assert all(torch.equal(state[name], kept[name]) for name in kept if name != "first.weight")


def vit(width: int, heads: int = 2, **parts: Any) -> nn.Module:
    shared = {"resolution": 16, "depth": 2, "num_classes": parts.pop("num_classes", 0)}
    made = make_vit(width=width, heads=heads, **{**shared, **parts})
    if parts.get("readout") == "gap":
        slice_last_layers(made)
    return made


def resnet(channel_max: int, **sizes: Any) -> nn.Module:
    made = make_resnet(resolution=16, channel_max=channel_max, **sizes)
    slice_last_layers(made)
    return made


def generator(channel_max: int, **sizes: Any) -> nn.Module:
    return make_generator(resolution=16, channel_max=channel_max, **{"style_dim": 8, **sizes})


@pytest.mark.parametrize(
    ("there", "here", "alone"),
    [
        (resnet(16), resnet(8), r"head\."),
        (resnet(16, num_classes=3), resnet(8, num_classes=3), r"head\.scale"),
        (vit(64, readout="gap"), vit(16, readout="gap"), r"head\."),
        (vit(64, weight_constraint="isn"), vit(16, weight_constraint="isn"), r".*\.initial"),
        (vit(16, attention="lsa"), vit(32, attention="lsa"), r".*\.score\."),
        (vit(32, 4, attention="qknorm"), vit(16, attention="qknorm"), r".*\.score\."),
        (
            vit(16, position_embedding="relative"),
            vit(32, position_embedding="relative"),
            r".*\.attention\.position\.",
        ),
        (generator(16), generator(8), r".*\.strength"),
        (generator(8, latent_dim=4), generator(8, latent_dim=6), "w_average"),
    ],
)
def test_what_goes_with_a_weight_stays_where_the_weight_is_drawn(
    there: nn.Module, here: nn.Module, alone: str
) -> None:
    state = {name: torch.rand_like(value) for name, value in there.state_dict().items()}
    kept = {name: value.clone() for name, value in here.state_dict().items()}
    taken = load_fitting(here, state)
    named = [name for name in kept if re.match(alone, name)]
    fits = [name for name in named if state[name].shape == kept[name].shape]
    assert fits  # what a look at shapes alone would take over
    assert not taken & set(named)
    assert all(torch.equal(here.state_dict()[name], kept[name]) for name in named)
    # Beside its weights it is taken over like everything else.
    assert load_fitting(there, state) == state.keys()
    torch.testing.assert_close(there.state_dict(), state, rtol=0, atol=0)


def test_shrinking_takes_the_mean_of_what_it_covers() -> None:
    stripes = torch.tensor([1.0, -1.0]).repeat(16)[None, None, :, None].expand(1, 1, 32, 4)
    assert resized_grid(stripes, (8, 4))[:, :, 2:-2].abs().max() < 0.05


@pytest.mark.parametrize("constraint", ["none", "isn"])
@pytest.mark.parametrize("stem", ["linear", "spt", "overlap", "conv"])
def test_pixels_of_a_patch_fit_no_other_shape_of_as_many(stem: str, constraint: str) -> None:
    def made(patch: str) -> nn.Module:
        sizes = {"resolution": 16, "width": 12, "heads": 2, "depth": 1}
        return make_vit(patch=patch, stem=stem, weight_constraint=constraint, **sizes)

    state, network = made("4x2").state_dict(), made("2x4")
    before = {name: tensor.clone() for name, tensor in state.items()}
    offered = unflatten_other_patches(state, network, patch=Patch(4, 2))
    left = network.state_dict().keys() - load_fitting(network, offered)
    weight = (
        "projection.weight"
        if constraint == "none"
        else ("projection.parametrizations.weight.original")
    )
    names = {"linear": {weight}, "spt": {weight, "norm.weight", "norm.bias"}}.get(stem, set())
    # Positions are those of the grid; windows that overlap differ in shape.
    told = {name for name in left if name.startswith("encoder.stem.")}
    if stem == "overlap":
        names = {weight}
    if constraint == "isn" and weight in names:
        names = names | {"projection.parametrizations.weight.0.initial"}
    assert told == {f"encoder.stem.{name}" for name in names}
    if stem == "linear":
        assert offered[f"encoder.stem.{weight}"].shape == (12, 3, 4, 2)
    assert all(torch.equal(state[name], before[name]) for name in before)
    same = unflatten_other_patches(state, made("4x2"), patch=Patch(4, 2))
    assert all(same[name] is state[name] for name in state)


def test_a_part_of_a_state_has_the_names_within_it() -> None:
    state = {name: torch.zeros(()) for name in ("a.b", "a.c.a.d", "ab.e", "f.a.g")}
    assert set(part_of_state(state, "a.")) == {"b", "c.a.d"}
    assert part_of_state(state, "h.") == {}
