"""From latents and labels to styles."""

import math

import pytest
import torch

from adavit.models.layers import EqualisedLinear
from adavit.models.mapping import LabelEmbedding, MappingNetwork


def network(**changes: object) -> MappingNetwork:
    torch.manual_seed(0)
    sizes = {"latent_dim": 5, "style_dim": 4, "num_classes": 0, "layers": 2, "lr_multiplier": 0.5}
    return MappingNetwork(**{**sizes, **changes})


def test_styles_are_dense_layers_of_normalised_latents() -> None:
    mapping, latents = network(), torch.randn(3, 5)
    vectors = latents / latents.square().mean(dim=1, keepdim=True).sqrt()
    for layer in mapping.layers:
        weight = layer.weight * (0.5 / math.sqrt(layer.weight.shape[1]))
        vectors = vectors @ weight.T + 0.5 * layer.bias
        vectors = math.sqrt(2) * torch.nn.functional.leaky_relu(vectors, 0.2)
    torch.testing.assert_close(mapping(latents), vectors, rtol=1e-4, atol=1e-5)


def test_the_length_of_a_latent_does_not_matter() -> None:
    mapping, latents = network(), torch.randn(3, 5)
    torch.testing.assert_close(mapping(7 * latents), mapping(latents), rtol=1e-4, atol=1e-5)


def test_labels_go_in_beside_the_latents_as_vectors_of_length_one() -> None:
    embedding = LabelEmbedding(3, 6)
    vectors = embedding(torch.tensor([2, 0]))
    torch.testing.assert_close(vectors.square().mean(dim=1), torch.ones(2), rtol=1e-5, atol=0)
    table = embedding.weight / math.sqrt(3) + embedding.bias
    expected = table / table.square().mean(dim=1, keepdim=True).sqrt()
    torch.testing.assert_close(vectors, expected[[2, 0]], rtol=1e-5, atol=1e-6)
    mapping = network(num_classes=3)
    first = mapping.layers[0]
    assert isinstance(first, EqualisedLinear)
    assert first.weight.shape == (4, 5 + 4)


def test_it_is_computed_in_float32_whatever_the_context() -> None:
    mapping, latents = network(), torch.randn(3, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(mapping(latents), mapping.float()(latents))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"style_dim": 0}, "style_dim is 0"),
        ({"num_classes": -1}, "num_classes is -1"),
        ({"layers": 0}, "mapping_layers is 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(**changes)


def test_latents_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \[2, 4\], but must be \[B, 5\]\. Draw them with"):
        network()(torch.zeros(2, 4))
