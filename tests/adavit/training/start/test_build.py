"""From a workload to its first step."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import adavit
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.runtime.console import SilentConsole
from adavit.training.start.build import Start, build_step, first_step, read_start
from adavit.training.start.workload import load_workload

Tiny = Callable[..., RunConfig]


def test_the_seed_draws_the_weights_and_nothing_else_does(tiny: Tiny) -> None:
    torch.manual_seed(1)
    first = build_step(load_workload(tiny(), SilentConsole()))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = build_step(load_workload(tiny(), SilentConsole()))
    assert torch.equal(torch.get_rng_state(), state)
    other = build_step(load_workload(tiny({"run": {"seed": 5}}), SilentConsole()))
    weights = [
        torch.cat([p.flatten() for p in step.generator.parameters()])
        for step in (first, again, other)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_settings_reach_the_step(tiny: Tiny) -> None:
    layer = {
        "training": {
            "generator_lr": 0.003,
            "discriminator_lr": 0.001,
            "final_lr_factor": 0.5,
            "adam_beta2": 0.9,
            "final_beta2": 0.99,
            "ema_half_life_kimg": 4,
            "initial_ema_factor": 0.25,
            "warmup_kimg": 0.5,
            "microbatch": 4,
            "precision": "bf16",
            "schedule_kimg": 2,
        }
    }
    step = build_step(load_workload(tiny(layer), SilentConsole()))
    assert [rate(0) for rate in step.rates] == [0.003, 0.001]
    assert [rate(2000) for rate in step.rates] == pytest.approx([0.0015, 0.0005])
    assert (step.beta2(0), step.beta2(2000)) == pytest.approx((0.9, 0.99))
    assert (step.average.half_life_kimg(0), step.average.half_life_kimg(2000)) == (1, 4)
    assert (step.warmup_images, step.microbatch) == (500, 4)
    assert step.augmented.autocast == torch.bfloat16


@pytest.mark.parametrize("mirror", [False, True])
def test_an_epoch_of_top_k_is_one_of_the_batches(tiny: Tiny, mirror: bool) -> None:
    layer = {"training": {"top_k": 0.5}, "data": {"mirror": mirror}}
    workload = load_workload(tiny(layer), SilentConsole())
    top_k = build_step(workload).top_k
    assert top_k is not None
    assert top_k.epoch_images == len(workload.split.train) * (1 + mirror)


def test_a_run_that_names_no_start_begins_with_its_seed(tiny: Tiny) -> None:
    workload = load_workload(tiny(), SilentConsole())
    start = read_start(workload.config)
    assert start == Start()
    step, notes = first_step(workload, start)
    drawn = build_step(workload)
    assert notes == []
    for found, expected in zip(
        step.discriminator.parameters(), drawn.discriminator.parameters(), strict=True
    ):
        assert torch.equal(found, expected)


def test_a_run_that_starts_from_another_has_its_networks(tiny: Tiny, tmp_path: Path) -> None:
    source = adavit.train(tiny({"metrics": {"names": []}}))
    config = tiny({"training": {"transfer": str(source)}, "run": {"seed": 9}})
    start = read_start(config)
    step, notes = first_step(load_workload(config, SilentConsole()), start)
    state = torch.load(source / "checkpoint.pt", weights_only=True)
    for name in ("generator", "discriminator"):
        for key, value in getattr(step, name).state_dict().items():
            assert torch.equal(value, state[name][key]), key
    assert [note.partition(" tensors")[0].split()[0] for note in notes] == ["Transferred"] * 3


def test_a_start_that_is_not_there_is_said_before_data_are_loaded(tiny: Tiny) -> None:
    with pytest.raises(UserError, match="nowhere"):
        read_start(tiny({"training": {"transfer": "nowhere"}}))
