"""Slices computed by compiled code: one graph for each kind of step, from images and draws to gradients.

What `SlicePass` does is written down operation by operation while it is done once, below autograd, so that first and
second derivatives are operations like any others, whoever has written them: `torch.compile` cannot differentiate
twice what it has compiled, and traces functions with derivatives of their own to other numbers.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing, make_fx

from adavit.augment.devices import is_accelerator
from adavit.models.resampling import sums_of_shifts
from adavit.training.passes.streams import StepStreams
from adavit.training.step.lists_apart import LISTS_APART
from adavit.training.step.microbatch_sums import MicrobatchSums
from adavit.training.step.recorded_draws import DrawRecorder, RecordedDraw
from adavit.training.step.slice_pass import SlicePass
from adavit.training.step.slice_programs import (
    SlicePrograms,
    fill,
    given,
    left_by,
    numbers_of,
    taken,
    trained_by,
    without_gradients,
)
from adavit.training.step.terms import StepTerms

_Options = dict[str, str | int | bool | Callable[..., Any]]

_INDUCTOR_OPTIONS: _Options = {"realize_reads_threshold": 8}
"""By itself it writes to memory what is made of more than 4 tensors. A layer of the generator reads 5 (features,
factors, shifts, noise and its strength), and what it writes is float32: 7% of a step's bytes at 256 px."""

_ON_ACCELERATORS: _Options = _INDUCTOR_OPTIONS | {
    # A filter reads 16 pixels, and is to be one kernel with what is done before and after.
    "realize_reads_threshold": 20,
    "realize_acc_reads_threshold": 24,
    "realize_opcount_threshold": 200,
    # Kernels that do not wait for one another are launched together, up to 8 at a time: many are small.
    "combo_kernels": True,
    # Sums over rows and over columns of the same tensor as one kernel: in torch 2.14 an AssertionError for some sizes.
    "triton.mix_order_reduction": False,
}

# Where there is a CUDA toolkit and no card it warns of that when steps are compiled, which tells users nothing.
logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)

_compiled: dict[str, Callable[..., Sequence[Tensor]]] = {}


def compiled_slices(written: SlicePass) -> SlicePrograms:
    """Computes slices by compiled code, equal but for rounding."""
    return SlicePrograms(written, CompiledSlice.of)


@dataclass(frozen=True)
class CompiledSlice:
    """The compiled code of one kind of step, a `SliceProgram`.

    Attributes:
        function: From images, labels where there are any, draws, numbers and what is held to the tensors of the sums
            and the gradients.
        draws: What is drawn for it.
        numbers: Of the terms, on the device.
        held: Weights and whatever else keeps its place from step to step.
        trained: Whose gradients it computes.
        sums: Of the slice that it was made of.
    """

    function: Callable[..., Sequence[Tensor]]
    draws: list[RecordedDraw]
    numbers: list[Tensor]
    held: list[Tensor]
    trained: list[nn.Parameter]
    sums: MicrobatchSums

    @classmethod
    def of(
        cls,
        written: SlicePass,
        real: Tensor,
        labels: Tensor | None,
        streams: StepStreams,
        terms: StepTerms,
    ) -> tuple[Self, list[Tensor]]:
        """Compiles what is done to compute a slice, see `ProgramMaker`.

        Raises:
            LookupError: If numbers are drawn of anything but the streams.
        """
        on_accelerator = is_accelerator(real.device)
        numbers = numbers_of(terms, real.device)
        moving = terms.with_numbers(numbers)
        recorder = DrawRecorder(streams, disable_proxy_modes_tracing)
        parameters = trained_by(written)
        trained: list[nn.Parameter] = []
        sums: list[MicrobatchSums] = []

        def calculation(real: Tensor, *classes: Tensor) -> list[Tensor]:
            with recorder:
                known = classes[0] if classes else None
                sums.append(written(real, known, recorder.streams, moving))
            trained[:], left = left_by(sums[0], parameters)
            return left

        with without_gradients(parameters):
            # What is made once and kept, such as the kernels of filters, is not made anew by the graph in each step.
            written(real, labels, streams.twin(), moving)
        with without_gradients(parameters), sums_of_shifts():
            # A table, if an empty one: without one torch takes each detach for an alias, and what an operation keeps
            # of its result then holds the graph that holds it, with all images and weights.
            table = LISTS_APART if on_accelerator else {}
            graph = make_fx(calculation, decomposition_table=table)(*given(real, labels))
        held = _with_inputs(graph, [*recorder.tensors, *numbers])
        # All tensors are inputs, so networks made anew, as those behind a rehearsal, have the code of the first ones.
        function = _compiled.get(graph.code)
        if function is None:
            options = _on_accelerators() if on_accelerator else _INDUCTOR_OPTIONS
            function = _compiled[graph.code] = torch.compile(
                graph, fullgraph=True, dynamic=False, options=options
            )
        return cls(function, recorder.draws, numbers, held, trained, sums[0]), recorder.tensors

    def draw(self, streams: StepStreams) -> list[Tensor]:
        """See `SliceProgram`."""
        return [draw.again(streams) for draw in self.draws]

    @torch.no_grad()
    def __call__(
        self, real: Tensor, labels: Tensor | None, draws: Sequence[Tensor], terms: StepTerms
    ) -> MicrobatchSums:
        """See `SliceProgram`."""
        fill(self.numbers, terms.numbers)
        found = self.function(*given(real, labels), *draws, *self.numbers, *self.held)
        return taken(found, self.trained, self.sums)


def _on_accelerators() -> _Options:
    # Which imports Inductor, a second that other runs do not need.
    from adavit.training.step.joined_products import JoinedProducts

    return _ON_ACCELERATORS | {"post_grad_custom_post_pass": JoinedProducts()}


def _with_inputs(module: fx.GraphModule, first: Sequence[Tensor]) -> list[Tensor]:
    """Makes inputs of the tensors that a graph holds: `first`, and then those that are returned, in their order.

    Raises:
        LookupError: If the graph draws random numbers itself.
    """
    graph = module.graph
    reads = [node for node in graph.nodes if node.op == "get_attr"]
    tensors = {id(tensor): tensor for tensor in first}
    held = [getattr(module, str(node.target)) for node in reads]
    tensors |= {id(tensor): tensor for tensor in held}
    start = next(node for node in graph.nodes if node.op != "placeholder")
    with graph.inserting_before(start):
        inputs = {key: graph.placeholder(f"input_{place}") for place, key in enumerate(tensors)}
    for node, tensor in zip(reads, held, strict=True):
        node.replace_all_uses_with(inputs[id(tensor)])
        graph.erase_node(node)
    for name in {str(node.target) for node in reads}:
        delattr(module, name)
    for node in graph.nodes:
        if _draws(node):
            raise LookupError(f"{node.target} draws numbers that are of none of the step's streams")
    module.recompile()
    return list(tensors.values())[len(first) :]


def _draws(node: fx.Node) -> bool:
    """Whether an operation draws random numbers of its own; attention, fused, does so only to drop something out."""
    if torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
        return False
    schema: torch.FunctionSchema = node.target._schema  # type: ignore[union-attr]
    for place, argument in enumerate(schema.arguments):
        if argument.name == "dropout_p":
            dropped = node.args[place : place + 1] or [node.kwargs.get("dropout_p", 0.0)]
            return dropped[0] not in (0, 0.0)
    return True
