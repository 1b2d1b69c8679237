"""Matrix products that share a matrix, made at once: a pass of Inductor over the graph of a step.

A layer of the discriminator multiplies real and generated images by the same weights, and on the way back their
gradients, those for the generator too: two and three products of a library, which are one and one where rows lie below
each other. That is a quarter of a ViT's launches (`benchmarks/results/step_operations.md`), and costs next to nothing:
kernels that make rows mostly write them to where they are to lie.
"""

import operator
from collections import defaultdict
from collections.abc import Collection, Hashable, Sequence
from typing import Any

import torch
from torch import fx
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files

_aten = torch.ops.aten
_ROWS: dict[Any, int] = {_aten.mm.default: 0, _aten.addmm.default: 1}
"""Operations that multiply by a matrix, and which of their arguments has the rows."""


class JoinedProducts(CustomGraphPass):
    """Joins products with the same matrix, and the same bias, of which none needs another one's result."""

    def __call__(self, graph: fx.Graph) -> None:
        """Changes a graph that has no operations in place. Inductor brings its nodes into order afterwards."""
        alike: defaultdict[Hashable, list[fx.Node]] = defaultdict(list)
        for node in graph.nodes:
            if node.target in _ROWS and _can_be_joined(node):
                alike[_matrix_of(node)].append(node)
        for left in alike.values():
            while left:
                together: list[fx.Node] = []
                for node in left:
                    if _independent([*together, node]):
                        together.append(node)
                left = [node for node in left if node not in together]
                if len(together) > 1:
                    _join(graph, together)

    def uuid(self) -> bytes:
        """What compiled code is kept by."""
        return get_hash_for_files((__file__,))


def _can_be_joined(product: fx.Node) -> bool:
    """Whether a row of the result depends on the same row of the argument alone: a bias has to be one for all."""
    bias = product.args[: _ROWS[product.target]]
    return not product.kwargs and all(_shape(each)[:-1] in ((), (1,)) for each in bias)


def _matrix_of(product: fx.Node) -> Hashable:
    """What products have in common that can be made at once."""
    rows = _ROWS[product.target]
    return product.target, _value(product.args[:rows]), _value(product.args[rows + 1 :])


def _value(argument: Any) -> Hashable:
    """Equal for views that are made of the same tensor in the same way, as each pass makes its own of a weight."""
    if isinstance(argument, (list, tuple)):
        return tuple(map(_value, argument))
    if isinstance(argument, fx.Node):
        target = argument.target
        if target is operator.getitem or getattr(target, "is_view", False):
            return target, _value(argument.args), _value(tuple(argument.kwargs.items()))
    return argument


def _independent(nodes: Sequence[fx.Node]) -> bool:
    """Whether no node needs the result of another one."""
    return not any(_needs(node, {*nodes} - {node}) for node in nodes)


def _needs(node: fx.Node, others: Collection[fx.Node]) -> bool:
    seen, waiting = set[fx.Node](), [*node.all_input_nodes]
    while waiting:
        needed = waiting.pop()
        if needed in others:
            return True
        if needed not in seen:
            seen.add(needed)
            waiting += needed.all_input_nodes
    return False


def _join(graph: fx.Graph, products: Sequence[fx.Node]) -> None:
    first = products[0]
    target: Any = first.target
    place = _ROWS[target]
    rows: Any = [product.args[place] for product in products]
    with graph.inserting_before(graph.output_node()):
        below = graph.call_function(_aten.cat.default, (rows, 0))
        arguments = (*first.args[:place], below, *first.args[place + 1 :])
        joined = graph.call_function(target, arguments)
        apart = _independent(rows)
        end = 0
        for product, own in zip(products, rows, strict=True):
            start, end = end, end + _shape(own)[0]
            product.replace_all_uses_with(_part(joined, start, end, like=product))
            graph.erase_node(product)
            if apart:  # Whoever else reads the rows reads them where they are: else they would be written twice.
                there = _part(below, start, end, like=own)
                own.replace_all_uses_with(there, lambda user: user is not below)


def _part(whole: fx.Node, start: int, end: int, *, like: fx.Node) -> fx.Node:
    part = whole.graph.call_function(_aten.slice.Tensor, (whole, 0, start, end))
    part.meta["val"] = like.meta["val"]
    return part


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)
