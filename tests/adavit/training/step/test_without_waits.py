"""The host never waits for the device in a step: what would make it, on an accelerator, is refused on the CPU."""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from adavit.models import resampling
from adavit.runs.checkpoint import state_of
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step
from adavit.training.step.adversarial_step import AdversarialStep
from tests.adavit.training.objectives.test_feature_critic import make_objective
from tests.adavit.training.small_step import COUNT, make_step, reals, run
from tests.adavit.training.test_extras_resume import EVERYTHING
from tests.adavit.training.test_options import BATCH, SMALL, Layer, workload

READS = {
    torch.ops.aten._local_scalar_dense,
    torch.ops.aten.is_nonzero,
    torch.ops.aten.equal,
    torch.ops.aten.nonzero,
    torch.ops.aten.nonzero_numpy,
    torch.ops.aten.masked_select,
    torch.ops.aten.repeat_interleave,
    torch.ops.aten.bincount,
    torch.ops.aten._unique2,
}
"""Their result, or its size, is a number on the host."""
LIFT = torch.ops.aten.lift_fresh
"""What `torch.tensor` ends in: numbers of the host, which a device would have to be given."""
INDEXED = {
    torch.ops.aten.index,
    torch.ops.aten.index_put,
    torch.ops.aten.index_put_,
    torch.ops.aten._index_put_impl_,
}
COPIES = {Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.item}
"""Methods that torch's dispatcher does not see on a CPU, or not always."""


class Wait(AssertionError):
    """An operation that an accelerator would be waited for."""


class NoReads(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        packet = func.overloadpacket
        masked = packet in INDEXED and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        if packet in READS or packet is LIFT or masked:
            raise Wait(f"{func} in a step")
        return func(*args, **(kwargs or {}))


class NoCopies(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        if func in COPIES:
            raise Wait(f"{func.__name__} in a step")
        return func(*args, **(kwargs or {}))


@contextmanager
def without_waits() -> Iterator[None]:
    """Nothing that waits, once what is made for the first step and kept has been made."""
    with NoCopies(), NoReads():
        yield


CONVOLUTIONS: dict[str, Any] = {"kind": "resnet", "channel_base": 64, "channel_max": 8}
CASES: dict[str, Layer] = {
    "vit": {},
    "vit, labels": {"data": {"cond": True}, "augment": {"preset": "bgcfnc"}},
    "vit, everything": {"training": {**EVERYTHING, "lecam": 0.3, "san": True}},
    "vit, relativistic, parts of patches": {
        "training": {**EVERYTHING, "loss": "relativistic", "penalty": "approximate"},
        "discriminator": {"patch_drop": 0.5},
        "data": {"cond": True},
    },
    "vit, bfloat16": {"training": {**EVERYTHING, "lecam": 0.3, "precision": "bf16"}},
    "resnet": {"discriminator": CONVOLUTIONS},
    "resnet, everything": {
        "discriminator": CONVOLUTIONS,
        "training": {**EVERYTHING, "masked_patch_weight": 0, "lecam": 0.3, "microbatch": 2},
    },
    "resnet, chain": {
        "discriminator": {**CONVOLUTIONS, "normalization": "chain"},
        "training": {**EVERYTHING, "masked_patch_weight": 0, "chain_start_kimg": 0},
        "data": {"cond": True},
    },
}


def steps_of(layer: Layer) -> tuple[AdversarialStep, Tensor, Tensor | None]:
    load = workload(SMALL, layer)
    labels = None
    if load.config.data.cond:
        load.num_classes, labels = 3, torch.arange(BATCH) % 3
    step = build_step(load)
    step.set_p(0.7)
    if step.pseudo is not None:
        step.pseudo.p = 0.5
    real = torch.rand(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return step, real, labels


@pytest.fixture(autouse=True)
def _filters_of_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "is_accelerator", lambda device: True)


def results_of(layer: Layer, watched: AbstractContextManager[None]) -> list[StepResult]:
    """Of the first step, of one with and one without what is due at intervals."""
    step, real, labels = steps_of(layer)
    streams = [StepStreams.at(0, index * BATCH) for index in range(3)]
    with watched:
        return [
            step(real, labels, images=index * BATCH, streams=streams[index]) for index in range(3)
        ]


@pytest.mark.parametrize("name", CASES)
def test_the_host_reads_nothing_in_a_step(name: str) -> None:
    results_of(CASES[name], nullcontext())
    assert all(result.finite for result in results_of(CASES[name], without_waits()))


@pytest.mark.parametrize("name", CASES)
def test_a_skipped_step_is_not_waited_for_either_and_leaves_all_that_a_checkpoint_holds(
    name: str,
) -> None:
    step, real, labels = steps_of(CASES[name])
    for images in (0, BATCH):
        step(real, labels, images=images, streams=StepStreams.at(0, images))
    before = copy.deepcopy(state_of(step.stateful_parts()))
    streams = StepStreams.at(0, 2 * BATCH)
    with without_waits():
        result = step(real * torch.nan, labels, images=2 * BATCH, streams=streams)
    assert not result.finite
    for part, state in state_of(step.stateful_parts()).items():
        # param_groups hold the rates of the step, which the next one sets anew.
        kept = [each.get("state", each) for each in (state, before[part])]
        torch.testing.assert_close(*kept, rtol=0, atol=0, equal_nan=True, msg=part)


@pytest.mark.parametrize("p", [0.2, 0.9])
def test_a_critic_that_vanishes_reads_no_p(p: float) -> None:
    step = make_step(features=make_objective(p=0.3, vanishes_at=0.5))
    step.set_p(p)
    run(step)
    for index in range(2):
        streams = StepStreams.at(0, index * COUNT)
        with without_waits():
            step(reals(), None, images=index * COUNT, streams=streams)


READING: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "truth": lambda x: bool(x.any()),
    "float": lambda x: float(x[0]),
    "list": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "cpu": lambda x: x.cpu(),
    "mask": lambda x: x[x > 0],
    "assigned by a mask": lambda x: x.clone().index_put_((x > 0,), torch.zeros(())),
    "nonzero": lambda x: x.nonzero(),
    "masked select": lambda x: x.masked_select(x > 0),
    "numbers of the host": lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
    "in a backward pass": lambda x: _Reading.apply(x.requires_grad_(True)).sum().backward(),
}


class _Reading(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * float(gradient.sum())


@pytest.mark.parametrize("name", READING)
def test_whatever_waits_is_found(name: str) -> None:
    with pytest.raises(Wait), without_waits():
        READING[name](torch.ones(3))
