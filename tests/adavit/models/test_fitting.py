import torch
from torch import nn

from adavit.models.fitting import load_fitting, resized_grid


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
