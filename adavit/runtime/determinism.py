"""On CUDA, as on a CPU: the same bits from the same numbers. The fastest kernels add as their threads come."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils import deterministic

_WORKSPACES = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
"""cuBLAS sums in a fixed order only with workspaces of its own for each stream; 8 of 4 MiB is what NVIDIA names."""


@contextlib.contextmanager
def in_fixed_order(wanted: bool) -> Iterator[None]:
    """While entered, every operation adds in a fixed order, on any device; what cannot is refused by torch.

    It holds for the whole process. To be entered before the first operation on a CUDA device, as cuBLAS chooses its
    workspaces once.

    Args:
        wanted: False leaves all as it is.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault(*_WORKSPACES)
    fills: Any = deterministic  # whose attribute is a property of its class
    before = torch.are_deterministic_algorithms_enabled(), fills.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    fills.fill_uninitialized_memory = False  # it finds reads of memory that nothing has written
    try:
        # A device's own thread numbers the nodes of second derivatives for itself, and numbers decide in which order
        # gradients add: it would depend on how many steps the process has made before.
        with torch.autograd.set_multithreading_enabled(False):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        fills.fill_uninitialized_memory = before[1]
