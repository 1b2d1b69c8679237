"""CUDA graphs: what a device was made to do once, kernel by kernel, done again by one launch."""

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from adavit.errors import UserError, first_line
from adavit.runtime.exhaustion import is_out_of_memory

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
            work: Called; it waits for nothing, draws nothing, and has been done `aside`. What it returns is not filled.

        Returns:
            What does it once more, and the tensors that are filled each time.

        Raises:
            UserError: If it does what cannot be recorded, such as to wait for the device.
        """
        ...


class DeviceGraphs:
    """CUDA graphs that share their memory, of which one works at a time: what it leaves is to be copied at once.

    The memory is given back when none of them is used any more.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._memory: torch.cuda.MemPool  # made where it is first used
        self._graphs: weakref.WeakSet[torch.cuda.CUDAGraph] = weakref.WeakSet()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """See `Graphs`: in the memory of the graphs, which would else be needed a second time beside it."""
        if not self._graphs:
            self._memory = torch.cuda.MemPool()
        with self._aside(), torch.cuda.use_mem_pool(self._memory, self._stream.device):
            yield

    def record(self, work: Work) -> tuple[Callable[[], None], list[Tensor]]:
        """See `Graphs`."""
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self._stream.device)
        gc.collect()
        torch.cuda.empty_cache()  # what lies idle elsewhere
        with self._aside():
            # Of this thread alone: others may ask for memory, or copy images.
            memory: Any = self._memory.id  # which torch's types take for no handle
            graph.capture_begin(pool=memory, capture_error_mode="thread_local")
            try:
                result = work()
            except BaseException as error:
                with contextlib.suppress(RuntimeError):  # the error that says why is the first one
                    graph.capture_end()
                if not isinstance(error, RuntimeError) or is_out_of_memory(error):
                    raise
                raise UserError(
                    f"the passes of a step cannot be recorded as a CUDA graph: {first_line(error)}. Have them launched"
                    " kernel by kernel, by --set training.graphs=false."
                ) from error
            graph.capture_end()
        self._graphs.add(graph)
        return graph.replay, result

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        """The stream that records, since nodes of gradients belong to the stream that they were made in.

        Backward passes are done by this thread, as memory belongs to threads.
        """
        outside = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(outside)
        alone = torch.autograd.set_multithreading_enabled(False)
        with torch.cuda.stream(self._stream), alone:
            yield
        outside.wait_stream(self._stream)
