"""Slices computed by CUDA graphs: what the host would launch for a slice, thousands of kernels, it launches as one.

A step of networks at 32 px is thousands of short kernels, which a host takes longer to launch than the device to
compute. `SlicePass` is done once as ever, which shows what it draws, and once more while the device takes down what it
would do, kernel by kernel, with their addresses. These are the same kernels, so the numbers are the same.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn

from adavit.runtime.device_graphs import DeviceGraphs, Graphs
from adavit.training.passes.streams import StepStreams
from adavit.training.step.microbatch_sums import MicrobatchSums
from adavit.training.step.recorded_draws import DrawPlayer, DrawRecorder, RecordedDraw
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


def captured_slices(written: SlicePass) -> SlicePrograms:
    """Computes slices by CUDA graphs: the same kernels, launched at once."""
    graphs = DeviceGraphs(next(written.generator.parameters()).device)
    return SlicePrograms(written, partial(CapturedSlice.of, graphs=graphs))


@dataclass(frozen=True)
class CapturedSlice:
    """The recorded work of one kind of step, a `SliceProgram`.

    What it reads and what it leaves lie where they lay when it was recorded.

    Attributes:
        replay: Does the work once more.
        given: Images, and labels where there are any, that it reads.
        draws: What is drawn for it.
        drawn: Where it reads that.
        numbers: Of the terms, where it reads them.
        left: The tensors of the sums and the gradients, where it leaves them.
        trained: Whose gradients it computes.
        sums: Of the slice that it was made of.
    """

    replay: Callable[[], None]
    given: tuple[Tensor, ...]
    draws: list[RecordedDraw]
    drawn: list[Tensor]
    numbers: list[Tensor]
    left: list[Tensor]
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
        *,
        graphs: Graphs,
    ) -> tuple[Self, list[Tensor]]:
        """Records what is done to compute a slice, see `ProgramMaker`; `graphs` takes it down."""
        numbers = numbers_of(terms, real.device)
        moving, parameters = terms.with_numbers(numbers), trained_by(written)
        recorder = DrawRecorder(streams, contextlib.nullcontext)
        with graphs.aside(), without_gradients(parameters), recorder:
            # It also makes what is made once and kept, such as the kernels of filters.
            written(real, labels, recorder.streams, moving)
        player = DrawPlayer(recorder)
        own = tuple(tensor.clone() for tensor in given(real, labels))
        sums: list[MicrobatchSums] = []
        trained: list[nn.Parameter] = []

        def work() -> list[Tensor]:
            with without_gradients(parameters), player:
                sums[:] = [written(own[0], own[1] if own[1:] else None, player.streams, moving)]
                trained[:], left = left_by(sums[0], parameters)
                return left

        replay, left = graphs.record(work)
        drawn = recorder.tensors
        return cls(replay, own, recorder.draws, drawn, numbers, left, trained, sums[0]), drawn

    def draw(self, streams: StepStreams) -> list[Tensor]:
        """See `SliceProgram`."""
        for draw, place in zip(self.draws, self.drawn, strict=True):
            draw.again(streams, out=place)
        return self.drawn

    @torch.no_grad()
    def __call__(
        self, real: Tensor, labels: Tensor | None, draws: Sequence[Tensor], terms: StepTerms
    ) -> MicrobatchSums:
        """See `SliceProgram`; `draws` lie where it reads them."""
        for place, tensor in zip(self.given, given(real, labels), strict=True):
            place.copy_(tensor)
        fill(self.numbers, terms.numbers)
        self.replay()
        # Copies, for the next slice is computed in the same place; those of gradients, all of one type, at once.
        count = len(self.left) - len(self.trained)
        gradients = [torch.empty_like(gradient) for gradient in self.left[count:]]
        torch._foreach_copy_(gradients, self.left[count:])
        sums = [tensor.clone() for tensor in self.left[:count]]
        return taken([*sums, *gradients], self.trained, self.sums)
