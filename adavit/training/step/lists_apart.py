"""Operations on lists of tensors entry by entry: what a step's graph consists of where it is compiled for a card.

Inductor makes one launch of a list, and lets it compute what its entries are made of. Up to torch 2.14 it does so where
two entries are made of the same tensor as well, of which it knows the last one only
(`ForeachKernelSchedulerNode.read_to_node`), and the other one reads what may not have been written yet. Operations by
themselves are launched together by `combo_kernels`, which joins only what does not depend on one another.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

_aten = torch.ops.aten


def _entry_by_entry(operation: Callable[..., Tensor]) -> Callable[..., list[Tensor]]:
    def computed(first: Sequence[Tensor], *others: Any) -> list[Tensor]:
        columns = (each if isinstance(each, (list, tuple)) else repeat(each) for each in others)
        return [operation(*row) for row in zip(first, *columns, strict=False)]

    return computed


def _copy_entries(to: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for each, value in zip(to, values, strict=True):
        each.copy_(value)


LISTS_APART: dict[torch._ops.OpOverload, Callable[..., Any]] = {
    _aten._foreach_add.List: _entry_by_entry(torch.add),
    _aten._foreach_mul.List: _entry_by_entry(torch.mul),
    _aten._foreach_mul.Scalar: _entry_by_entry(torch.mul),
    _aten._foreach_mul.ScalarList: _entry_by_entry(torch.mul),
    _aten._foreach_copy_.default: _copy_entries,
}
"""What `make_fx` is to record in place of the operations on lists that a slice consists of."""
