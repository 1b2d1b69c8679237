"""What a step asks of a device, counted from its operators: operations, products and sums, bytes read and written."""

from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

_IDLE = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view")
"""Operators that touch no memory, beside those whose result is a view."""


class WorkCount(TorchDispatchMode):
    """While entered, counts what operators do.

    torch's own counter of products follows modules, which second derivatives do not allow.

    Attributes:
        flops: Products and sums of convolutions and matrix products, by torch's own formulas.
        bytes: Of the tensors that operators read and write, each as often as it is named: a device moves that many
            where none is kept between two operators.
        operations: Operators that touch memory, which are about as many as kernels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.bytes = self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Calls the operator and adds what it costs."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=result)
        if not _is_idle(func):
            self.operations += 1
            named = [
                leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)
            ]
            self.bytes += sum(_bytes_of(tensor) for tensor in named)
        return result


def _is_idle(func: Any) -> bool:
    results = func._schema.returns
    views = [r.alias_info is not None and not r.alias_info.is_write for r in results]
    return any(views) or not results or func.overloadpacket.__name__ in _IDLE


def _bytes_of(tensor: Tensor) -> int:
    """Those there are, also where one number stands for many."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
