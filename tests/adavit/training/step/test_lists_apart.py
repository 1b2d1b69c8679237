"""Entry by entry the same is computed as by the operation on lists."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from adavit.training.step.lists_apart import LISTS_APART

Lists = list[Tensor]
CALLS: dict[torch._ops.OpOverload, Callable[[Lists, Lists], Lists]] = {
    torch.ops.aten._foreach_add.List: torch._foreach_add,
    torch.ops.aten._foreach_mul.List: torch._foreach_mul,
    torch.ops.aten._foreach_mul.Scalar: lambda a, _: torch._foreach_mul(a, 2.5),
    torch.ops.aten._foreach_mul.ScalarList: lambda a, _: torch._foreach_mul(a, [0.5, 3.0]),
    torch.ops.aten._foreach_copy_.default: lambda a, b: torch._foreach_copy_(a, b) or a,
}


@pytest.mark.parametrize("operation", LISTS_APART, ids=str)
def test_entries_have_the_values_of_the_list(operation: torch._ops.OpOverload) -> None:
    def calculation(*tensors: Tensor) -> Lists:
        # Copies, as lists that are written to are those of the graph itself.
        return CALLS[operation]([each.clone() for each in tensors[:2]], list(tensors[2:]))

    stream = torch.Generator().manual_seed(0)
    tensors = [torch.randn(shape, generator=stream) for shape in ((2, 3), (4,), (2, 3), (4,))]
    tensors[3] = tensors[3].bfloat16()
    whole = make_fx(calculation, decomposition_table={})(*tensors)
    apart = make_fx(calculation, decomposition_table=LISTS_APART)(*tensors)
    assert operation in {node.target for node in whole.graph.nodes}
    assert not any("_foreach_" in str(node.target) for node in apart.graph.nodes)
    for found, expected in zip(apart(*tensors), whole(*tensors), strict=True):
        assert torch.equal(found, expected)
        assert found.dtype == expected.dtype
