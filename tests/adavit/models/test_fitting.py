import pytest
import torch
from torch import nn

from adavit.models.fitting import load_fitting, part_of_state, resized_grid, unflatten_other_patches
from adavit.runtime.patch import Patch
from tests.networks import make_vit


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
