import pytest
import torch
import torch.nn.functional as F

from adavit.models.attention import MultiHeadAttention, exact_attention
from adavit.models.encoder import Encoder
from adavit.models.patch_embedding import PatchEmbedding
from tests.references.models import attention_by_loops, normalised_head


@pytest.mark.parametrize("twice_differentiable", [False, True], ids=["fused", "exact"])
def test_attention_equals_the_loops_over_heads_and_queries(twice_differentiable: bool) -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(width=12, heads=3)
    torch.nn.init.normal_(attention.query_norm.weight)
    torch.nn.init.normal_(attention.key_norm.weight)
    tokens = torch.randn(2, 7, 12)
    projected = F.linear(tokens, attention.query_key_value.weight, attention.query_key_value.bias)
    expected = torch.zeros(2, 7, 12)
    for sample in range(2):
        for head in range(3):
            part = slice(4 * head, 4 * head + 4)
            queries, keys, values = projected[sample].split(12, dim=1)
            expected[sample, :, part] = attention_by_loops(
                normalised_head(queries[:, part], attention.query_norm.weight),
                normalised_head(keys[:, part], attention.key_norm.weight),
                values[:, part],
            )
    expected = F.linear(expected, attention.output.weight, attention.output.bias)
    result = attention(tokens, twice_differentiable=twice_differentiable)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


def test_fused_and_exact_attention_agree_in_value_and_gradient() -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(width=192, heads=3)
    tokens = torch.randn(3, 65, 192, requires_grad=True)
    probe = torch.randn(3, 65, 192)
    results = [attention(tokens, twice_differentiable=twice) for twice in (False, True)]
    gradients = [torch.autograd.grad(result, tokens, probe)[0] for result in results]
    torch.testing.assert_close(*results, rtol=0, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-5)


def test_exact_attention_has_right_second_derivatives() -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(1, 2, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradgradcheck(exact_attention, inputs)


def test_encoder_has_right_second_derivatives() -> None:
    torch.manual_seed(0)
    encoder = Encoder(depth=2, width=4, heads=2, mlp_ratio=1.5, layer_scale=0.7).double()
    tokens = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    for read in (None, 1):
        assert torch.autograd.gradgradcheck(
            lambda x, read=read: encoder(x, twice_differentiable=True, read=read), tokens
        )


@pytest.mark.parametrize("twice_differentiable", [False, True], ids=["fused", "exact"])
@pytest.mark.parametrize("read", [1, 3])
def test_reading_few_tokens_gives_the_same_tokens(read: int, twice_differentiable: bool) -> None:
    torch.manual_seed(0)
    encoder = Encoder(depth=3, width=12, heads=3, mlp_ratio=4.0, layer_scale=0.7)
    tokens = torch.randn(2, 17, 12)
    flags = {"twice_differentiable": twice_differentiable}
    some, everything = encoder(tokens, **flags, read=read), encoder(tokens, **flags)
    assert some.shape == (2, read, 12)
    torch.testing.assert_close(some, everything[:, :read], rtol=0, atol=1e-5)


def test_patches_become_tokens_row_by_row() -> None:
    embedding = PatchEmbedding(resolution=8, image_channels=2, patch=4, width=5)
    images = torch.randn(3, 2, 8, 8)
    tokens = embedding(images)
    assert tokens.shape == (3, 4, 5)
    patch = images[1, :, 0:4, 4:8].reshape(-1)
    expected = F.linear(patch, embedding.projection.weight, embedding.projection.bias)
    torch.testing.assert_close(tokens[1, 1], expected)


def test_heads_that_do_not_divide_the_width_are_refused_with_a_remedy() -> None:
    with pytest.raises(
        ValueError, match=r"heads is 5, but must divide width \(12\). Use heads=(4|6)"
    ):
        MultiHeadAttention(width=12, heads=5)


def test_a_patch_that_does_not_divide_is_refused_with_a_remedy() -> None:
    with pytest.raises(
        ValueError, match=r"patch is 5, but must divide the resolution \(8\).*patch=4"
    ):
        PatchEmbedding(resolution=8, image_channels=3, patch=5, width=6)
    with pytest.raises(ValueError, match="patch is 0, but must be at least 1"):
        PatchEmbedding(resolution=8, image_channels=3, patch=0, width=6)
