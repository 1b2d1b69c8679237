import copy
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adavit.runtime.optimizers import PlainAdam, PlainAdamW

PAIRS = [(PlainAdam, torch.optim.Adam), (PlainAdamW, torch.optim.AdamW)]
GIVEN: list[dict[str, Any]] = [
    {"lr": 0.01, "betas": (0.0, 0.99), "fused": True},
    {"lr": 0.003, "weight_decay": 0.1},
]


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


def weights_after(
    optimizer: torch.optim.Optimizer, trained: nn.Module, *, steps: int
) -> list[Tensor]:
    stream = torch.Generator().manual_seed(8)
    for _ in range(steps):
        optimizer.zero_grad()
        trained(torch.randn(11, 5, generator=stream)).square().sum().backward()
        optimizer.step()
    return [weight.detach().clone() for weight in trained.parameters()]


@pytest.mark.parametrize("given", GIVEN, ids=["fused", "decayed"])
@pytest.mark.parametrize(("plain", "torchs"), PAIRS)
def test_steps_are_those_of_torch_to_the_bit(
    plain: Any, torchs: Any, given: dict[str, Any]
) -> None:
    first, second = network(), network()
    found = weights_after(plain(first.parameters(), **given), first, steps=5)
    expected = weights_after(torchs(second.parameters(), **given), second, steps=5)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
        assert not one.requires_grad


@pytest.mark.parametrize(("plain", "torchs"), PAIRS)
def test_states_go_to_and_fro(plain: Any, torchs: Any) -> None:
    trained = network()
    optimizer = plain(trained.parameters(), **GIVEN[0])
    weights_after(optimizer, trained, steps=3)
    state = copy.deepcopy(optimizer.state_dict())
    for kind in (plain, torchs):
        other = copy.deepcopy(trained)
        restored = kind(other.parameters(), lr=1.0)
        restored.load_state_dict(copy.deepcopy(state))
        assert restored.param_groups[0]["lr"] == 0.01
        again = copy.deepcopy(trained)
        continued = torchs(again.parameters(), lr=1.0)
        continued.load_state_dict(copy.deepcopy(state))
        pairs = zip(
            weights_after(restored, other, steps=2),
            weights_after(continued, again, steps=2),
            strict=True,
        )
        assert all(torch.equal(one, expected) for one, expected in pairs)


def test_groups_keep_their_own_settings() -> None:
    trained = network()
    weights = list(trained.parameters())
    optimizer = PlainAdamW([{"params": weights[:2], "weight_decay": 0.0}], lr=0.1)
    optimizer.add_param_group({"params": weights[2:], "weight_decay": 0.5})
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.5]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=4)
    weights_after(optimizer, trained, steps=1)
    schedule.step()
    assert optimizer.param_groups[1]["lr"] == schedule.get_last_lr()[1]


def test_the_compiler_is_not_imported() -> None:
    code = """
import sys, torch
from adavit.runtime.optimizers import PlainAdam, PlainAdamW
for kind in (PlainAdam, PlainAdamW):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = kind([weight], lr=0.1, fused=True)
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("plain", [PlainAdam, PlainAdamW])
@pytest.mark.parametrize("before", [0, 2])
def test_a_step_that_is_not_made_is_as_if_it_had_never_been(plain: Any, before: int) -> None:
    networks, optimizers = [], []
    for _ in range(2):
        networks.append(network())
        optimizers.append(plain(networks[-1].parameters(), **GIVEN[0], weight_decay=0.1))
        weights_after(optimizers[-1], networks[-1], steps=before)
    spoilt = [torch.full_like(weight, torch.nan) for weight in networks[0].parameters()]
    for weight, gradient in zip(networks[0].parameters(), spoilt, strict=True):
        weight.grad = gradient
    optimizers[0].step_if(torch.tensor(False))
    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(one, other)
    gradients = [torch.randn_like(weight) for weight in networks[0].parameters()]
    for trained in networks:
        for weight, gradient in zip(trained.parameters(), gradients, strict=True):
            weight.grad = gradient.clone()
    optimizers[0].step_if(torch.tensor(True))
    optimizers[1].step()
    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(one, other)
    first, second = (optimizer.state_dict()["state"] for optimizer in optimizers)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
