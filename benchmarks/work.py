"""What a step asks of a device, counted from its operators: operations, products and sums, bytes read and written."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from adavit.augment import resampling

_IDLE = (
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"),
    *("_unsafe_view", "promote_types"),
)
"""Operators that touch no memory, beside those whose result is a view."""
_QUESTIONS = ("prim", "profiler")
"""Namespaces of operators that ask something of a tensor, or note it, and launch nothing."""
_OUTSIDE = "everything else"
_OURS: dict[str, Callable[..., Any]] = {
    resampling._OPERATOR: resampling._resample_active,
    resampling._GRID_OPERATOR: resampling._sampling_grid,
}
"""Operators that are written in others, which are what counts."""


@dataclass
class Work:
    """What was asked in one part.

    Attributes:
        operations: Operators that touch memory, which are about as many as kernels, by name.
        bytes: As in `WorkCount`.
    """

    operations: Counter[str] = field(default_factory=Counter)
    bytes: int = 0


class WorkCount(TorchDispatchMode):
    """While entered, counts what operators do.

    torch's own counter of products follows modules, which second derivatives do not allow.

    Attributes:
        flops: Products and sums of convolutions and matrix products, by torch's own formulas.
        bytes: Of the tensors that operators read and write, each as often as it is named: a device moves that many
            where none is kept between two operators.
        operations: Operators that touch memory, which are about as many as kernels.
        parts: The same by where it was asked, see `within`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.bytes = self.operations = 0
        self.parts: defaultdict[str, Work] = defaultdict(Work)
        self._part = _OUTSIDE

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        """What is asked while entered belongs to this part, unless that enters another."""
        outer, self._part = self._part, part
        try:
            yield
        finally:
            self._part = outer

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Calls the operator and adds what it costs."""
        kwargs = kwargs or {}
        if func.name() in _OURS:
            with self:
                return _OURS[func.name()](*args, **kwargs)
        result = func(*args, **kwargs)
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=result)
        if not _is_idle(func):
            named = [
                leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)
            ]
            touched = sum(_bytes_of(tensor) for tensor in named)
            self.operations += 1
            self.bytes += touched
            self.parts[self._part].operations[func.overloadpacket.__name__] += 1
            self.parts[self._part].bytes += touched
        return result


def _is_idle(func: Any) -> bool:
    if func.namespace in _QUESTIONS or func.overloadpacket.__name__ in _IDLE:
        return True
    results = func._schema.returns
    if not results:  # whatever it is that it changes
        return not func._schema.is_mutable
    return any(r.alias_info is not None and not r.alias_info.is_write for r in results)


def _bytes_of(tensor: Tensor) -> int:
    """Those there are, also where one number stands for many."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
