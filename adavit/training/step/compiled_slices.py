"""Slices computed by compiled code: one graph for each kind of step, from images and draws to gradients.

What `SlicePass` does is written down operation by operation while it is done once, below autograd, so that first and
second derivatives are operations like any others, whoever has written them: `torch.compile` cannot differentiate
twice what it has compiled, and traces functions with derivatives of their own to other numbers. The graph is a pure
function of tensors: images, what is drawn of the step's streams (`adavit.training.step.recorded_draws`), weights, the
augmentation's p and the numbers of `StepTerms`. No shape depends on a value and the host is never asked for one, so the
graph is also what a CUDA graph could be captured of.
"""

import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing, make_fx

from adavit.training.objectives.schedules import Number
from adavit.training.passes.streams import StepStreams
from adavit.training.step.microbatch_sums import MicrobatchSums
from adavit.training.step.recorded_draws import DrawRecorder, RecordedDraw
from adavit.training.step.slice_pass import SlicePass, trainable
from adavit.training.step.terms import StepTerms


class CompiledSlices:
    """Computes slices as `SlicePass` does, equal but for rounding.

    Each kind of step (with and without the terms that are not part of all steps) is compiled when it comes up first.

    Args:
        written: What is compiled. What its objects hold on a device must be changed in place only.
    """

    def __init__(self, written: SlicePass) -> None:
        self.written = written
        self._programs: dict[Hashable, SliceProgram] = {}

    def __call__(
        self, real: Tensor, labels: Tensor | None, streams: StepStreams, terms: StepTerms
    ) -> MicrobatchSums:
        """See `SliceComputation`."""
        kind = terms.kind, real.shape, labels is None
        program = self._programs.get(kind)
        if program is not None:
            return program(real, labels, program.draw(streams), terms)
        program, draws = SliceProgram.of(self.written, real, labels, streams, terms)
        self._programs[kind] = program
        return program(real, labels, draws, terms)


@dataclass(frozen=True)
class SliceProgram:
    """The compiled code of one kind of step.

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
        """Compiles what is done to compute a slice, and draws for it.

        Args:
            written: As in `CompiledSlices`.
            real: Images of the slice.
            labels: Their classes, or None.
            streams: Of the slice; they are used up.
            terms: Of the step.

        Raises:
            LookupError: If numbers are drawn of anything but the streams.
        """
        numbers = [torch.empty((), device=real.device) for _ in terms.numbers]
        _fill(numbers, terms.numbers)
        moving = terms.with_numbers(numbers)
        recorder = DrawRecorder(streams, disable_proxy_modes_tracing)
        parameters = [*trainable(written.generator), *trainable(written.judges)]
        trained: list[nn.Parameter] = []
        sums: list[MicrobatchSums] = []

        def calculation(real: Tensor, *classes: Tensor) -> list[Tensor]:
            given = classes[0] if classes else None
            with recorder:
                sums.append(written(real, given, recorder.streams, moving))
            trained.extend(each for each in parameters if each.grad is not None)
            gradients = [each.grad for each in trained if each.grad is not None]
            return [*sums[0].tensors, *gradients]

        with _without_gradients(parameters):
            # What is made once and kept, such as the kernels of filters, is not made anew by the graph in each step.
            written(real, labels, streams.twin(), moving)
        with _without_gradients(parameters):
            graph = make_fx(calculation)(*_given(real, labels))
        held = _with_inputs(graph, [*recorder.tensors, *numbers])
        function = torch.compile(graph, fullgraph=True, dynamic=False)
        return cls(function, recorder.draws, numbers, held, trained, sums[0]), recorder.tensors

    def draw(self, streams: StepStreams) -> list[Tensor]:
        """What is drawn in another step."""
        return [draw.again(streams) for draw in self.draws]

    @torch.no_grad()
    def __call__(
        self, real: Tensor, labels: Tensor | None, draws: Sequence[Tensor], terms: StepTerms
    ) -> MicrobatchSums:
        """Computes a slice, see `SliceComputation`; `draws` are what `draw` has drawn."""
        _fill(self.numbers, terms.numbers)
        found = self.function(*_given(real, labels), *draws, *self.numbers, *self.held)
        count = len(found) - len(self.trained)
        for parameter, gradient in zip(self.trained, found[count:], strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return self.sums.like(found[:count])


@contextlib.contextmanager
def _without_gradients(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """While entered, they have none; what they come to have is dropped."""
    before = [parameter.grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.grad = None
        yield
    finally:
        for parameter, gradient in zip(parameters, before, strict=True):
            parameter.grad = gradient


def _given(real: Tensor, labels: Tensor | None) -> tuple[Tensor, ...]:
    return (real,) if labels is None else (real, labels)


def _fill(tensors: Sequence[Tensor], numbers: Sequence[Number]) -> None:
    for tensor, number in zip(tensors, numbers, strict=True):
        tensor.fill_(number)


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
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise LookupError(f"{node.target} draws numbers that are of none of the step's streams")
    module.recompile()
    return list(tensors.values())[len(first) :]
