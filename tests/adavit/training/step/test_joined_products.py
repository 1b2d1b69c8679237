"""Products that share a matrix become one wherever that makes no circle of the graph, and nothing else changes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx
from torch._inductor.pattern_matcher import stable_topological_sort
from torch.fx.experimental.proxy_tensor import make_fx

from adavit.training.step.joined_products import JoinedProducts

Function = Callable[..., tuple[Tensor, ...]]
PRODUCTS = {torch.ops.aten.mm.default, torch.ops.aten.addmm.default}


def join(graph: fx.GraphModule) -> None:
    """The pass, and what Inductor does behind it."""
    JoinedProducts()(graph.graph)
    stable_topological_sort(graph.graph)
    graph.recompile()


def joined(function: Function, *inputs: Tensor) -> fx.GraphModule:
    """The graph of a function after the pass; it computes what the function does."""
    graph = make_fx(function, tracing_mode="fake")(*inputs)
    join(graph)
    graph.graph.lint()
    for found, expected in zip(graph(*inputs), function(*inputs), strict=True):
        torch.testing.assert_close(found, expected)
    return graph


def products(graph: fx.GraphModule) -> int:
    return sum(node.target in PRODUCTS for node in graph.graph.nodes)


def tensors(*shapes: tuple[int, ...]) -> list[Tensor]:
    stream = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=stream) for shape in shapes]


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x, y, w, v: (x @ w, y @ w), 1),
        (lambda x, y, w, v: (x @ w, y @ w, x @ v, y @ v, (x + y[:1]) @ w), 2),
        (lambda x, y, w, v: (x @ w.t(), y @ w.t(), x @ w), 2),
        (lambda x, y, w, v: (x @ w.split(2)[1].t(), y @ w.split(2)[1].t()), 1),
        (lambda x, y, w, v: (x @ w.split(2)[1].t(), y @ w.split(2)[0].t()), 2),
        (lambda x, y, w, v: (torch.addmm(v[0], x, w), torch.addmm(v[0], y, w)), 1),
        (lambda x, y, w, v: (torch.addmm(v[0], x, w), torch.addmm(v[1], y, w)), 2),
        (lambda x, y, w, v: (torch.addmm(v[0], x, w), torch.addmm(v[0], y, w, alpha=2)), 2),
        (lambda x, y, w, v: (torch.addmm(x, x, w), torch.addmm(x, x.relu(), w)), 2),
    ],
    ids=[
        *("two", "five of two matrices", "views of it", "parts of it", "other parts"),
        *("with a bias", "with two", "another factor", "a bias for each row"),
    ],
)
def test_products_with_the_same_matrix_are_one(function: Function, left: int) -> None:
    assert products(joined(function, *tensors((3, 4), (5, 4), (4, 4), (4, 4)))) == left


def test_what_needs_the_result_of_a_product_is_not_joined_to_it() -> None:
    def chain(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        return (((x @ w).relu() @ w),)

    assert products(joined(chain, *tensors((3, 4), (4, 4)))) == 2


def test_two_passes_through_layers_are_joined_layer_by_layer() -> None:
    def passes(x: Tensor, y: Tensor, w: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        return tuple(((each @ w).relu() @ v).relu() @ w for each in (x, y))

    assert products(joined(passes, *tensors((3, 4), (5, 4), (4, 4), (4, 4)))) == 3


def test_joining_stops_where_it_would_make_a_circle() -> None:
    def crossed(x: Tensor, y: Tensor, w: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        return (x @ w).relu() @ v, (y @ v).relu() @ w

    assert products(joined(crossed, *tensors((3, 4), (5, 4), (4, 4), (4, 4)))) == 3


def test_rows_of_which_some_are_made_of_others_are_joined_too() -> None:
    def dependent(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        sines = x.sin()
        return sines @ w, sines.exp() @ w, sines.sum()

    assert products(joined(dependent, *tensors((3, 4), (4, 4)))) == 1


def test_rows_are_written_once_whoever_else_reads_them() -> None:
    def read_twice(x: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        sines = x.sin()
        return sines @ w, y.cos() @ w, sines.t() @ x

    graph = joined(read_twice, *tensors((3, 4), (5, 4), (4, 4)))
    (sines,) = (node for node in graph.graph.nodes if node.target is torch.ops.aten.sin.default)
    assert [user.target for user in sines.users] == [torch.ops.aten.cat.default]


def test_compiled_code_can_be_kept() -> None:
    assert JoinedProducts().uuid(), "Inductor keeps no code of passes that do not say what they are"


@pytest.mark.slow
def test_inductor_takes_the_pass_among_its_options() -> None:
    seen = []

    class Watched(JoinedProducts):
        def __call__(self, graph: fx.Graph) -> None:
            super().__call__(graph)
            seen.append(sum(node.target in PRODUCTS for node in graph.nodes))

    def passes(x: Tensor, y: Tensor, w: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        return tuple((each @ w).relu() @ v for each in (x, y))

    inputs = tensors((3, 4), (5, 4), (4, 4), (4, 4))
    options = {"post_grad_custom_post_pass": Watched(), "fx_graph_cache": False}
    for found, expected in zip(
        torch.compile(passes, options=options)(*inputs), passes(*inputs), strict=True
    ):
        torch.testing.assert_close(found, expected)
    assert seen == [2]
