"""The kernels of convolutions, as an operation is given them."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class KernelSides(TorchDispatchMode):
    """While entered, notes the sides of the kernels of all convolutions.

    Attributes:
        seen: In pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operation."""
        if func is torch.ops.aten.convolution.default:
            self.seen.update(args[1].shape[2:])
        return func(*args, **(kwargs or {}))
