"""Graphs of slices; that they are the step whatever it consists of is in `tests/adavit/training/test_compile.py`."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe
from adavit.training.passes.streams import StepStreams
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.compiled_slices import _with_inputs, compiled_slices
from adavit.training.step.slice_pass import SliceComputation, SlicePass, as_written
from adavit.training.step.slice_programs import SlicePrograms
from tests.adavit.training.objectives.test_feature_critic import make_objective
from tests.adavit.training.small_step import COUNT, make_step, reals, run

Computation = Callable[[SlicePass], SliceComputation]


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[torch.fx.GraphModule]:
    """The graphs that were given to torch.compile, which leaves them as they are."""
    graphs: list[torch.fx.GraphModule] = []

    def compiled(graph: torch.fx.GraphModule, **_: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr("adavit.training.step.compiled_slices._compiled", {})
    return graphs


def gradients(step: AdversarialStep) -> list[Tensor]:
    networks = (step.generator, step.judges)
    return [p.grad for net in networks for p in net.parameters() if p.grad is not None]


def check_slices_add_up(computation: Computation) -> AdversarialStep:
    """That three slices of one kind leave the gradients of those as they are written; the step that had them."""
    eager, other = make_step(), make_step(computation=computation)
    for index in range(3):
        for step in (eager, other):
            step.set_p(0.3 * index)
            terms = step.terms(0, step.slices(COUNT))
            # Gradients stay from slice to slice.
            step.compute(reals() / (1 + index), None, StepStreams.at(index, 0), terms)
    for one, expected in zip(gradients(other), gradients(eager), strict=True):
        assert torch.equal(one, expected)
    return other


def check_numbers_move(computation: Computation) -> None:
    """That p and the weight of a critic, which moves with it, are those of each step."""
    losses = []
    for each in (as_written, computation):
        step = make_step(features=make_objective(vanishes_at=0.8), computation=each)
        for p in (0.2, 0.4):
            step.set_p(p)
            losses.append(run(step).losses)
    for one, other in zip(losses[2:], losses[:2], strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_kind_is_compiled_once_and_slices_add_up(
    compilations: list[torch.fx.GraphModule],
) -> None:
    compiled = check_slices_add_up(compiled_slices)
    assert len(compilations) == 1
    terms = replace(compiled.terms(0, compiled.slices(COUNT)), share=0.5)
    compiled.compute(reals(), None, StepStreams.at(0, 0), terms)
    assert len(compilations) == 2


def test_numbers_that_move_are_inputs(compilations: list[torch.fx.GraphModule]) -> None:
    check_numbers_move(compiled_slices)
    assert len(compilations) == 1


def test_a_graph_waits_for_nothing_and_holds_nothing(
    compilations: list[torch.fx.GraphModule],
) -> None:
    step = make_step(computation=compiled_slices)
    step.compute(reals(), None, StepStreams.at(0, 0), step.terms(0, step.slices(COUNT)))
    nodes = list(compilations[0].graph.nodes)
    assert {node.op for node in nodes} == {"placeholder", "call_function", "output"}
    assert not any("_local_scalar_dense" in str(node.target) for node in nodes)


@pytest.mark.usefixtures("compilations")
def test_what_was_written_down_holds_no_networks() -> None:
    step = make_step(computation=compiled_slices)
    run(step)
    held = [weakref.ref(each) for each in step.trained]
    del step
    gc.collect()
    assert held
    assert not any(each() is not None for each in held)


def test_what_draws_by_itself_is_refused() -> None:
    def unkeyed(images: Tensor) -> Tensor:
        return images + torch.rand(len(images), 1, 1, 1)

    step = make_step(pipe=AugmentPipe(extra=[(unkeyed, 1.0)]), computation=compiled_slices)
    assert isinstance(step.compute, SlicePrograms)
    with pytest.raises((LookupError, RuntimeError)):
        step.compute(reals(), None, StepStreams.at(0, 0), step.terms(0, step.slices(COUNT)))
    assert not gradients(step)


@pytest.mark.parametrize(("dropped", "draws"), [((), False), ((0.0,), False), ((0.1,), True)])
def test_fused_attention_draws_only_to_drop_something_out(
    dropped: tuple[float, ...], draws: bool
) -> None:
    graph = torch.fx.Graph()
    tokens = [graph.placeholder(name) for name in ("q", "k", "v")]
    fused = torch.ops.aten._scaled_dot_product_flash_attention.default  # of CUDA devices
    graph.output(graph.call_function(fused, (*tokens, *dropped)))
    module = torch.fx.GraphModule(torch.nn.Module(), graph)
    if draws:
        with pytest.raises(LookupError, match="flash_attention"):
            _with_inputs(module, [])
    else:
        assert _with_inputs(module, []) == []
