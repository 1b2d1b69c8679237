"""CUDA graphs: what a device was made to do once, kernel by kernel, done again by one launch."""

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

Work = Callable[[], list[Tensor]]
"""Makes a device work, and returns what that leaves."""


class Graphs(Protocol):
    """A way to record work on a device."""

    def aside(self) -> contextlib.AbstractContextManager[None]:
        """The context in which the work is done before it is recorded."""
        ...

    def record(self, work: Work) -> tuple[Callable[[], None], list[Tensor]]:
        """Takes down what a device is made to do.

        Args:
            work: Called; it waits for nothing, draws nothing, and has been done before. What it returns is not filled.

        Returns:
            What does it once more, and the tensors that are filled each time.
        """
        ...


class DeviceGraphs:
    """CUDA graphs that share their memory, of which one works at a time: what it leaves is to be copied at once.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """See `Graphs`: the stream that records, for nodes of gradients belong to the stream that they were made in."""
        outside = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            yield
        outside.wait_stream(self._stream)

    def record(self, work: Work) -> tuple[Callable[[], None], list[Tensor]]:
        """See `Graphs`."""
        graph = torch.cuda.CUDAGraph()
        # What earlier work has left is given back, for memory of recorded work is its own.
        torch.cuda.synchronize(self._stream.device)
        gc.collect()
        torch.cuda.empty_cache()
        with self.aside():
            # Of this thread alone: others may ask for memory, or copy images.
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                result = work()
            except BaseException:
                with contextlib.suppress(RuntimeError):  # the error that says why is the first one
                    graph.capture_end()
                raise
            graph.capture_end()
        return graph.replay, result
