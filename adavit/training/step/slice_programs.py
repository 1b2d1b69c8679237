"""Slices computed by programs: one for each kind of step, made when the kind comes up first.

A program is a function of tensors alone: images, what is drawn of the step's streams
(`adavit.training.step.recorded_draws`), weights, the augmentation's p and the numbers of `StepTerms`. No shape depends
on a value, and the host is never asked for one.
"""

import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from adavit.training.objectives.schedules import Number
from adavit.training.passes.streams import StepStreams
from adavit.training.step.microbatch_sums import MicrobatchSums
from adavit.training.step.slice_pass import SlicePass, trainable
from adavit.training.step.terms import StepTerms


class SliceProgram(Protocol):
    """Computes the slices of one kind of step."""

    def draw(self, streams: StepStreams) -> Sequence[Tensor]:
        """What is drawn of the streams of a slice."""
        ...

    def __call__(
        self, real: Tensor, labels: Tensor | None, draws: Sequence[Tensor], terms: StepTerms
    ) -> MicrobatchSums:
        """Computes a slice, see `SliceComputation`; `draws` are what `draw` has drawn."""
        ...


ProgramMaker = Callable[
    [SlicePass, Tensor, Tensor | None, StepStreams, StepTerms],
    tuple[SliceProgram, Sequence[Tensor]],
]
"""From what is done to compute a slice, and the arguments of doing so, to its program and what it has drawn of the
streams, which are used up."""


class SlicePrograms:
    """Computes slices as `SlicePass` does.

    Args:
        written: What programs are made of. What its objects hold on a device must be changed in place only.
        make: Makes them.
    """

    def __init__(self, written: SlicePass, make: ProgramMaker) -> None:
        self.written = written
        self.make = make
        self._programs: dict[Hashable, SliceProgram] = {}
        self._shape: torch.Size | None = None

    def __call__(
        self, real: Tensor, labels: Tensor | None, streams: StepStreams, terms: StepTerms
    ) -> MicrobatchSums:
        """See `SliceComputation`."""
        if (
            real.shape != self._shape
        ):  # slices have become smaller, and what was made of others holds memory
            self._programs.clear()
            self._shape = real.shape
        kind = terms.kind, labels is None
        program = self._programs.get(kind)
        if program is not None:
            return program(real, labels, program.draw(streams), terms)
        program, draws = self.make(self.written, real, labels, streams, terms)
        self._programs[kind] = program
        return program(real, labels, draws, terms)


def trained_by(written: SlicePass) -> list[nn.Parameter]:
    """The parameters whose gradients it computes, if the terms of a step have any."""
    return [*trainable(written.generator), *trainable(written.judges)]


@contextlib.contextmanager
def without_gradients(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """While entered, they have none; what they come to have is dropped."""
    before = [parameter.grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.grad = None
        yield
    finally:
        for parameter, gradient in zip(parameters, before, strict=True):
            parameter.grad = gradient


def numbers_of(terms: StepTerms, device: torch.device) -> list[Tensor]:
    """Places 0-d on a device for the numbers of the terms, filled."""
    numbers = [torch.empty((), device=device) for _ in terms.numbers]
    fill(numbers, terms.numbers)
    return numbers


def left_by(
    sums: MicrobatchSums, parameters: Sequence[nn.Parameter]
) -> tuple[list[nn.Parameter], list[Tensor]]:
    """What a pass leaves, for `taken`: which of the parameters have gradients, and its sums followed by these."""
    trained = [each for each in parameters if each.grad is not None]
    return trained, [*sums.tensors, *(each.grad for each in trained if each.grad is not None)]


def taken(
    found: Sequence[Tensor], trained: Sequence[nn.Parameter], sums: MicrobatchSums
) -> MicrobatchSums:
    """Adds gradients to `grad` of the parameters.

    Args:
        found: The tensors of the sums followed by the gradients, which are kept.
        trained: Whose gradients they are.
        sums: With the names of theirs.

    Returns:
        The sums.
    """
    count = len(found) - len(trained)
    for parameter, gradient in zip(trained, found[count:], strict=True):
        parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
    return sums.like(found[:count])


def given(real: Tensor, labels: Tensor | None) -> tuple[Tensor, ...]:
    """What there is of both."""
    return (real,) if labels is None else (real, labels)


def fill(tensors: Sequence[Tensor], numbers: Sequence[Number]) -> None:
    """Puts numbers into tensors 0-d."""
    for tensor, number in zip(tensors, numbers, strict=True):
        tensor.fill_(number)
