"""One run over several processes: the bits of one process, whatever takes part in a step."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.config.run import RunConfig
from adavit.runs.checkpoint import state_of
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import SilentConsole
from adavit.runtime.world import Alone
from adavit.training.start.build import build_step
from adavit.training.start.workload import Workload, load_workload
from adavit.training.step.reduction import Fast, InOrder, Reduction
from adavit.training.trainer import Trainer
from tests.adavit.training.test_extras_resume import EVERYTHING
from tests.adavit.training.test_train import assert_same_bits
from tests.processes import together
from tests.small_weights import write_mobilenet

Tiny = Callable[..., RunConfig]
Layer = dict[str, dict[str, Any]]

STEPS, INTERVAL = 3, 2
"""The last step follows an interval of p's control."""
SLICES: Layer = {
    "data": {"resolution": 8},
    "training": {"batch": 8, "microbatch": 2, "r1_gamma": 0.1, "r1_interval": 2},
}
TOKENS: dict[str, Any] = {"patch": 2, "minibatch_std_group": 2}
CONVOLUTIONS: dict[str, Any] = {
    "kind": "resnet",
    "channel_base": 64,
    "channel_max": 8,
    "minibatch_std_group": 2,
}
WITHOUT_PATCHES = {**EVERYTHING, "masked_patch_weight": 0}
CASES: dict[str, Layer] = {
    "resnet, everything, r_t, feature critic": {
        "discriminator": CONVOLUTIONS,
        "training": {**WITHOUT_PATCHES, "lecam": 0.3},
        "augment": {"heuristic": "rt", "target": -1.0},
        "features": {"minibatch_std_group": 2, "p": 0.3, "interval": 2},
    },
    "vit, everything, slices, r_v, feature critic by batches": {
        "discriminator": TOKENS,
        "training": {**EVERYTHING, "lecam": 0.3, "san": True, "loss": "hinge"},
        "augment": {"heuristic": "rv", "target": 0.0, "preset": "bgcfnc"},
        "features": {
            "minibatch_std_group": 2,
            "normalization": "batch",
            "mixing": "scales",
            "vanishes_at": 1.0,
        },
    },
    "vit, labels, relativistic, bfloat16": {
        "discriminator": {**TOKENS, "patch_drop": 0.5, "weight_constraint": "sn"},
        "training": {
            **EVERYTHING,
            "loss": "relativistic",
            "penalty": "approximate",
            "precision": "bf16",
        },
        "data": {"cond": True},
    },
    "resnet, chain, labels, flips": {
        "discriminator": {**CONVOLUTIONS, "normalization": "chain"},
        "training": {**WITHOUT_PATCHES, "chain_start_kimg": 0, "chain_speed_kimg": 0.05},
        "data": {"cond": True, "mirror": True},
    },
    "projected": {
        "discriminator": {"kind": "projected"},
        "features": {"normalization": "batch", "minibatch_std_group": 2},
        "training": {"r1_gamma": 0},
    },
}
FEW: Layer = {
    "discriminator": CONVOLUTIONS,
    "training": {"path_length": 2, "path_length_interval": 1, "lecam": 0.3},
}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_mobilenet(tmp_path_factory.mktemp("weights") / "mobile.pth")


def workload_of(tiny: Tiny, network: str, *layers: Layer) -> Workload:
    sees = any("features" in layer for layer in layers)
    critic = [{"features": {"network": network, "side": 32}}] if sees else []
    config = tiny({"metrics": {"names": []}}, SLICES, *critic, *layers)
    return load_workload(config, SilentConsole())


def trained(
    workload: Workload,
    reduction: Reduction,
    folder: Path,
    *,
    steps: int = STEPS,
    poisoned: int | None = None,
) -> dict[str, Any]:
    """All that a checkpoint holds after some steps, of which one has a pixel of this batch's image spoilt."""
    world = reduction.world
    torch.manual_seed(world.rank)  # whatever else draws
    step = build_step(workload, reduction=reduction)
    directory = RunDirectory.create(folder / f"{world.size}-{world.rank}", "run")
    trainer = Trainer(workload, step, directory, SilentConsole())
    trainer.probability.interval_batches = INTERVAL
    if step.pseudo is not None:
        step.pseudo.probability.interval_batches = INTERVAL
    batches = trainer.batches.training
    batch = workload.config.training.batch

    def spoilt(seen: int, own: range) -> tuple[torch.Tensor, torch.Tensor | None]:
        images, labels = batches(seen, own)
        start, count = seen + own.start, len(own)
        if poisoned is not None and start <= batch + poisoned < start + count:
            images[batch + poisoned - start, 0, 1, 1] = math.nan
        return images, labels

    trainer.batches.training = spoilt  # type: ignore[method-assign]
    for _ in range(steps):
        trainer.train_on_one_batch()
    trainer._count_skipped()
    state = state_of(trainer.stateful_parts())
    del state["progress"]["seconds"], state["window"]["seconds"]
    return state


def on_ranks(
    size: int, workload: Workload, folder: Path, kind: type[Reduction] = InOrder, **how: Any
) -> list[dict[str, Any]]:
    return together(size, lambda world: trained(workload, kind(world), folder, **how))


@pytest.mark.parametrize("name", CASES)
def test_one_two_and_four_ranks_have_the_same_bits(
    name: str, tiny: Tiny, tmp_path: Path, network: str
) -> None:
    workload = workload_of(tiny, network, CASES[name])
    one = trained(workload, InOrder(Alone()), tmp_path)
    assert one["progress"]["skipped"] == 0
    assert one["probability"]["p"] != workload.config.augment.initial_p
    if "apa_p_max" in CASES[name].get("training", {}):
        assert one["pseudo_augmentation"]["p"] > 0
    for size in (2, 4):
        for state in on_ranks(size, workload, tmp_path):
            assert_same_bits(state, one)


@pytest.mark.slow
def test_compiled_ranks_have_the_same_bits(
    tiny: Tiny, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda graph, **_: graph)  # the graphs as they are
    workload = workload_of(tiny, network, {"training": {"compile": True, "r1_interval": 1}})
    one = trained(workload, InOrder(Alone()), tmp_path, steps=2)
    for state in on_ranks(2, workload, tmp_path, steps=2):
        assert_same_bits(state, one)


@pytest.mark.parametrize(("slices", "sizes"), [(3, [3]), (6, [2, 3])])
def test_the_slices_need_not_be_a_power_of_two(
    slices: int, sizes: list[int], tiny: Tiny, tmp_path: Path, network: str
) -> None:
    workload = workload_of(tiny, network, FEW, {"training": {"batch": 2 * slices}})
    one = trained(workload, InOrder(Alone()), tmp_path)
    for size in sizes:
        for state in on_ranks(size, workload, tmp_path):
            assert_same_bits(state, one)


@pytest.mark.parametrize("kind", [InOrder, Fast])
def test_a_slice_that_is_not_finite_skips_the_step_on_all_ranks(
    kind: type[Reduction], tiny: Tiny, tmp_path: Path, network: str
) -> None:
    workload = workload_of(tiny, network, FEW)
    one = trained(workload, kind(Alone()), tmp_path, poisoned=5)
    assert one["progress"]["skipped"] == 1
    first, second = on_ranks(2, workload, tmp_path, kind, poisoned=5)
    assert_same_bits(first, second)
    if kind is InOrder:
        assert_same_bits(first, one)
    assert first["progress"] == one["progress"]


def test_the_fast_sum_is_equal_but_for_rounding(tiny: Tiny, tmp_path: Path, network: str) -> None:
    # One step, whose moments are the gradients: later ones spread what was rounded.
    workload = workload_of(tiny, network, FEW)
    one = trained(workload, InOrder(Alone()), tmp_path, steps=1)
    first, second = on_ranks(2, workload, tmp_path, Fast, steps=1)
    assert_same_bits(first, second)
    for name in ("generator_optimizer", "discriminator_optimizer"):
        for key, moments in one[name]["state"].items():
            found, expected = first[name]["state"][key]["exp_avg"], moments["exp_avg"]
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * expected.abs().max())
