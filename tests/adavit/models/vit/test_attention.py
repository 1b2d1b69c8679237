from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.vit import attention as attention_module
from adavit.models.vit.attention import MultiHeadAttention, exact_attention, softmax_attention
from adavit.models.vit.block import EncoderBlock
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.parts import ATTENTIONS, POSITIONS
from tests.references.models import (
    attention_by_loops,
    l2_attention_by_loops,
    locality_attention_by_loops,
    normalised_head,
    relative_bias_by_loops,
)

SCORES = ["dot", "qknorm", "l2", "lsa"]


IN_USE = attention_module.EXACT_UP_TO_TOKENS


@pytest.fixture(autouse=True)
def fused_wherever_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_module, "EXACT_UP_TO_TOKENS", {})


BOTH = pytest.mark.parametrize("twice_differentiable", [False, True], ids=["fused", "exact"])


def made(
    attention: str = "qknorm",
    position: str = "none",
    *,
    layout: TokenLayout | None = None,
    width: int = 12,
    heads: int = 3,
) -> MultiHeadAttention:
    torch.manual_seed(0)
    module = MultiHeadAttention(
        layout or TokenLayout(1, 7),
        width=width,
        heads=heads,
        score=ATTENTIONS[attention].score,
        position=POSITIONS[position].attention,
    )
    for name, parameter in module.named_parameters():
        if "output" not in name and "query_key_value" not in name:
            nn.init.uniform_(parameter, 0.5, 2)  # gains and temperatures that are seen
    return module


def by_loops(attention: str, module: MultiHeadAttention, tokens: Tensor) -> Tensor:
    """Each head of each sample by itself, from the formulas of the papers."""
    width, heads = tokens.shape[2], module.heads
    size = width // heads
    projected = F.linear(tokens, module.query_key_value.weight, module.query_key_value.bias)
    mixed = torch.zeros_like(tokens)
    for sample in range(len(tokens)):
        for head in range(heads):
            part = slice(size * head, size * (head + 1))
            parts = [piece[:, part] for piece in projected[sample].split(width, dim=1)]
            if attention == "l2":
                result = l2_attention_by_loops(*parts)
            elif attention == "lsa":
                temperature = module.score.temperature[head].item()
                result = locality_attention_by_loops(*parts, temperature)
            else:
                if attention == "qknorm":
                    parts[0] = normalised_head(parts[0], module.score.query_norm.weight)
                    parts[1] = normalised_head(parts[1], module.score.key_norm.weight)
                result = attention_by_loops(*parts)
            mixed[sample, :, part] = result
    return F.linear(mixed, module.output.weight, module.output.bias)


@BOTH
@pytest.mark.parametrize("attention", SCORES)
def test_attention_equals_the_loops_over_heads_and_queries(
    attention: str, twice_differentiable: bool
) -> None:
    module, tokens = made(attention), 2 * torch.randn(2, 7, 12)
    result = module(tokens, twice_differentiable=twice_differentiable)
    torch.testing.assert_close(result, by_loops(attention, module, tokens), rtol=1e-5, atol=1e-5)


def test_dot_attention_is_that_of_torch() -> None:
    module, tokens = made("dot"), torch.randn(2, 7, 12)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.in_proj_weight.data = module.query_key_value.weight.data
    theirs.in_proj_bias.data = module.query_key_value.bias.data
    theirs.out_proj = module.output
    expected, _ = theirs(tokens, tokens, tokens)
    torch.testing.assert_close(module(tokens, twice_differentiable=True), expected)


@pytest.mark.parametrize("position", ["none", "relative", "rope2d"])
@pytest.mark.parametrize("attention", SCORES)
def test_fused_and_exact_attention_agree_in_value_and_gradient(
    attention: str, position: str
) -> None:
    layout = TokenLayout(5, 6, class_tokens=1, registers=2)
    module = made(attention, position, layout=layout, width=48)
    tokens = torch.randn(3, 33, 48, requires_grad=True)
    probe = torch.randn(3, 33, 48)
    results = [module(tokens, twice_differentiable=twice) for twice in (False, True)]
    gradients = [torch.autograd.grad(result, tokens, probe)[0] for result in results]
    torch.testing.assert_close(*results, rtol=0, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-5)


@BOTH
@pytest.mark.parametrize("attention", SCORES)
@pytest.mark.parametrize("position", ["none", "relative", "rope2d"])
def test_reading_few_tokens_gives_the_same_tokens(
    attention: str, position: str, twice_differentiable: bool
) -> None:
    module = made(attention, position, layout=TokenLayout(2, 3, class_tokens=1))
    tokens = torch.randn(2, 7, 12)
    flags = {"twice_differentiable": twice_differentiable}
    some, everything = module(tokens, **flags, read=3), module(tokens, **flags)
    torch.testing.assert_close(some, everything[:, :3], rtol=0, atol=1e-5)


def test_relative_bias_is_added_at_the_offset_of_each_pair_of_patches() -> None:
    layout = TokenLayout(2, 3, class_tokens=1, registers=2)
    module = made("dot", "relative", layout=layout)
    bias = torch.zeros(3, 9, 9)
    bias[:, 1:7, 1:7] = relative_bias_by_loops(module.position.table.detach(), 2, 3)
    torch.testing.assert_close(module.position.bias(None)[0], bias, rtol=0, atol=0)
    tokens = torch.randn(2, 9, 12)
    queries, keys, values = (
        part.unflatten(2, (3, 4)).transpose(1, 2)
        for part in module.query_key_value(tokens).split(12, dim=2)
    )
    weights = (queries @ keys.transpose(2, 3) / 2 + bias).softmax(dim=-1)
    expected = module.output((weights @ values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(module(tokens, twice_differentiable=False), expected)


def test_the_gradient_of_a_relative_bias_repeats_to_the_bit_on_several_threads() -> None:
    # As a lookup in the table it did not: threads added the gradients of an offset in any order.
    layout = TokenLayout(16, 16, class_tokens=1)
    table = made("dot", "relative", layout=layout, heads=6).position
    kept = torch.rand(4, 256).argsort(dim=1)[:, :192]
    probe = torch.randn(4, 6, 193, 193)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        gradients = [
            torch.autograd.grad(table.bias(layout.with_others(kept)), table.table, probe)[0]
            for _ in range(6)
        ]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)


def test_rotated_products_depend_on_the_offset_only() -> None:
    module = made("dot", "rope2d", layout=TokenLayout(4, 5, class_tokens=1), width=24)
    query, key = torch.randn(2, 1, 3, 1, 8)
    rotated = [
        module.position.rotate(vector.expand(1, 3, 21, 8), None)[0, :, 1:].unflatten(1, (4, 5))
        for vector in (query, key)
    ]
    products = torch.einsum("hrcd,hstd->hrcst", *rotated)
    torch.testing.assert_close(products[:, 1, 1, 2, 3], products[:, 2, 2, 3, 4])
    torch.testing.assert_close(products[:, 3, 4, 0, 2], products[:, 3, 3, 0, 1])
    assert (products[:, 0, 0, 1, 0] - products[:, 0, 0, 0, 1]).abs().min() > 1e-3
    norms = rotated[0].norm(dim=-1)
    torch.testing.assert_close(norms, query.norm(dim=-1)[0, :, None].expand_as(norms))


def test_rotation_is_the_product_with_complex_numbers_of_the_formula() -> None:
    module = made("dot", "rope2d", layout=TokenLayout(3, 5), width=24)
    vectors = torch.randn(2, 3, 15, 8)
    pairs = torch.view_as_complex(module.position.rotate(vectors, None).unflatten(3, (4, 2)))
    frequencies = [1.0, 100.0**-0.5]
    for row, column in ((0, 0), (2, 1), (1, 4)):
        angles = torch.tensor([place * f for place in (row, column) for f in frequencies])
        given = torch.view_as_complex(vectors[:, :, 5 * row + column].unflatten(2, (4, 2)))
        expected = given * torch.exp(1j * angles)
        torch.testing.assert_close(pairs[:, :, 5 * row + column], expected)


def test_the_class_token_is_not_rotated() -> None:
    module = made("dot", "rope2d", layout=TokenLayout(2, 2, class_tokens=1, registers=1))
    vectors = torch.randn(1, 3, 6, 4)
    rotated = module.position.rotate(vectors, None)
    torch.testing.assert_close(rotated[:, :, [0, 1, 5]], vectors[:, :, [0, 1, 5]])  # 1: at (0, 0)


@BOTH
@pytest.mark.parametrize("position", ["relative", "rope2d"])
def test_dropped_patches_leave_the_others_at_their_places(
    position: str, twice_differentiable: bool
) -> None:
    # A patch at which nobody looks: its key gets a logit of minus infinity.
    layout = TokenLayout(2, 3, class_tokens=1)
    module, tokens = made("dot", position, layout=layout), torch.randn(2, 7, 12)
    kept = torch.tensor([[0, 2, 5], [1, 3, 4]])
    places = layout.with_others(kept)
    assert places.tolist() == [[0, 1, 3, 6], [0, 2, 4, 5]]
    few = tokens.take_along_dim(places[:, :, None], dim=1)
    result = module(few, twice_differentiable=twice_differentiable, places=places)
    for sample in range(2):
        hidden = torch.full((7,), -torch.inf)
        hidden[places[sample]] = 0
        whole = made("dot", position, layout=layout)
        bias = whole.position.bias(None)
        total = hidden if bias is None else bias + hidden
        whole.position.bias = lambda _, total=total: total.expand(1, 3, 7, 7)  # type: ignore[method-assign]
        expected = whole(tokens[sample : sample + 1], twice_differentiable=True)
        torch.testing.assert_close(
            result[sample], expected[0, places[sample]], rtol=1e-5, atol=1e-5
        )


def test_locality_attention_of_a_single_token_is_that_token() -> None:
    module = made("lsa", layout=TokenLayout(1, 1))
    tokens = torch.randn(2, 1, 12)
    values = module.query_key_value(tokens)[:, :, 24:]
    for twice in (False, True):
        torch.testing.assert_close(
            module(tokens, twice_differentiable=twice), module.output(values)
        )


def test_a_hook_sees_the_weights_of_exact_attention() -> None:
    module, seen = made("dot"), []
    module.softmax.register_forward_hook(lambda _, __, weights: seen.append(weights))
    module(torch.randn(2, 7, 12), twice_differentiable=True)
    assert seen[0].shape == (2, 3, 7, 7)
    torch.testing.assert_close(seen[0].sum(dim=-1), torch.ones(2, 3, 7))


def test_exact_attention_has_right_second_derivatives() -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(1, 2, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]

    def attend(*parts: Tensor) -> Tensor:
        return exact_attention(*parts, scale=0.7, bias=None, softmax=nn.Softmax(dim=-1))

    assert torch.autograd.gradgradcheck(attend, inputs)


def block(layout: TokenLayout, *, width: int = 12, heads: int = 3) -> EncoderBlock:
    kinds: dict[str, Any] = {
        "score": ATTENTIONS["axial"].score,
        "position": POSITIONS["relative"].attention,
    }
    return EncoderBlock(layout, width=width, heads=heads, mlp_ratio=1.5, layer_scale=0.7, **kinds)


def test_heads_that_do_not_divide_the_width_are_refused_with_a_remedy() -> None:
    with pytest.raises(
        ValueError, match=r"heads is 5, but must divide width \(12\). Use heads=(4|6)"
    ):
        made(heads=5)


@pytest.mark.parametrize(
    ("trained", "dtype", "tokens", "exact"),
    [
        (True, torch.bfloat16, 65, True),
        (True, torch.bfloat16, 400, False),
        (True, torch.float32, 65, True),
        (True, torch.float32, 257, False),
        (True, torch.float64, 5, False),
        (False, torch.bfloat16, 65, False),
    ],
)
def test_few_tokens_in_training_go_through_the_formula(
    trained: bool, dtype: torch.dtype, tokens: int, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_module, "EXACT_UP_TO_TOKENS", IN_USE)
    taken = []
    for name in ("exact", "fused"):
        monkeypatch.setattr(
            attention_module, f"{name}_attention", lambda *_, of=name, **__: taken.append(of)
        )
    queries, keys, values = torch.zeros(3, 1, 1, tokens, 4, dtype=dtype, requires_grad=trained)
    options = {"scale": 1.0, "bias": None, "softmax": torch.nn.Softmax(dim=-1)}
    softmax_attention(queries[:, :, :1], keys, values, **options, twice_differentiable=False)
    assert taken == ["exact" if exact else "fused"]
