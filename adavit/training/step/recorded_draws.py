"""Which random tensors a calculation draws of the streams of a step, to be drawn outside of it for steps to come.

What is drawn of a stream is a function of its seed and of what was drawn of it before, and in steps of one kind all is
drawn in the same order and of the same shapes. So it can be drawn before the calculation, which then is a function of
tensors: a compiler knows no `torch.Generator`, and a captured graph would draw the same numbers each time.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from adavit.training.passes.streams import StepStreams

Source = Callable[[StepStreams], torch.Generator]
"""From the streams of a step to the one that a tensor is drawn of."""


@dataclass(frozen=True)
class RecordedDraw:
    """A random tensor that is drawn in each step of a kind.

    Attributes:
        source: Its stream.
        function: That draws it, such as `torch.randn`.
        arguments: Of the function, none of them a tensor.
        options: Likewise, without the generator.
    """

    source: Source
    function: Callable[..., Tensor]
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    def again(self, streams: StepStreams, out: Tensor | None = None) -> Tensor:
        """The tensor of another step, in a place of its own or in that of `out`."""
        place = {} if out is None else {"out": out}
        return self.function(
            *self.arguments, **self.options, **place, generator=self.source(streams)
        )

    def is_like(self, function: Callable[..., Any], *call: Any) -> bool:
        """Whether a function with such arguments and options draws numbers in the same way."""
        return (self.function, self.arguments, self.options) == (function, *call)


class DrawRecorder(TorchFunctionMode):
    """While entered, takes down what is drawn.

    A generator that is set back to where a stream was (`replay`) draws what that has drawn since, which is not drawn
    once more.

    Args:
        streams: Of the step in which it records.
        outside: Makes the context in which numbers are drawn.

    Attributes:
        streams: To be given to what draws.
        draws: In their order.
        tensors: What they have drawn.
        calls: Number of the tensor that each call of a function got, those of streams that were set back included.
    """

    def __init__(self, streams: StepStreams, outside: Callable[[], Any]) -> None:
        super().__init__()
        self.draws: list[RecordedDraw] = []
        self.tensors: list[Tensor] = []
        self.calls: list[int] = []
        self._outside = outside
        self._sources: dict[torch.Generator, Source] = {}
        self._numbers: dict[torch.Generator, list[int]] = {}  # of the draws of each stream
        self._marks: dict[bytes, tuple[torch.Generator, int]] = {}  # draws before, by state
        self._replays: dict[torch.Generator, tuple[torch.Generator, int]] = {}

        def of(purpose: str) -> torch.Generator:
            stream = streams.of(purpose)
            self._know(stream, lambda others: others.of(purpose))
            return stream

        self._know(streams.latents, lambda others: others.latents)
        self._know(streams.augmentation, lambda others: others.augmentation)
        self.streams = replace(streams, of=of)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """What torch calls instead of its functions."""
        options = dict(kwargs or {})
        generator = options.pop("generator", None)
        if generator is None:
            return func(*args, **options)
        with self._outside():
            self.calls.append(self._number(generator, func, args, options))
        return self.tensors[self.calls[-1]]

    def _know(self, stream: torch.Generator, source: Source) -> None:
        if stream not in self._sources:
            self._sources[stream], self._numbers[stream] = source, []

    def _number(self, generator: torch.Generator, func: Callable[..., Tensor], *call: Any) -> int:
        """Of the tensor that the function draws, or that was drawn before."""
        if generator not in self._sources:
            return self._replayed(generator, func, *call)
        numbers = self._numbers[generator]
        self._marks[_state(generator)] = generator, len(numbers)
        draw = RecordedDraw(self._sources[generator], func, *call)
        numbers.append(len(self.draws))
        self.draws.append(draw)
        self.tensors.append(func(*call[0], **call[1], generator=generator))
        return numbers[-1]

    def _replayed(self, generator: torch.Generator, func: Callable[..., Tensor], *call: Any) -> int:
        place = self._replays.get(generator) or self._marks.get(_state(generator))
        if place is None:
            raise LookupError("a generator draws that is none of the step's streams")
        stream, done = place
        number = self._numbers[stream][done]
        if not self.draws[number].is_like(func, *call):
            raise LookupError("a stream that is set back draws other numbers than before")
        self._replays[generator] = stream, done + 1
        return number


class DrawPlayer(TorchFunctionMode):
    """While entered, gives the tensors that a recorder has taken down to a calculation that draws in the same order.

    Attributes:
        streams: To be given to what would draw; they are of the CPU, and nothing is drawn of them, so that they may be
            set back while a device records what it does.
    """

    def __init__(self, recorder: DrawRecorder) -> None:
        super().__init__()
        self._tensors = [recorder.tensors[number] for number in recorder.calls]
        self._rest = iter(self._tensors)
        of = functools.cache(lambda purpose: torch.Generator())
        self.streams = StepStreams(of("latents"), of("augmentation"), of)

    def __enter__(self) -> Self:
        self._rest = iter(self._tensors)
        return super().__enter__()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """What torch calls instead of its functions."""
        if (kwargs or {}).get("generator") is None:
            return func(*args, **(kwargs or {}))
        return next(self._rest)


def _state(generator: torch.Generator) -> bytes:
    return generator.get_state().numpy().tobytes()
