import pytest
import torch
import torch_fidelity.sample_similarity_lpips as theirs
import torchvision

from adavit.metrics.extractors.lpips import CHANNELS, LpipsFeatures, expected_lpips_state
from tests.references.metrics_images import drawn_images


@pytest.fixture(scope="module")
def vgg16() -> dict[str, torch.Tensor]:
    """The convolutions of VGG16 with random, He-scaled weights; the dense layers are not used."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = torchvision.models.vgg16(weights=None).features.state_dict()
    return {
        f"features.{name}": (
            torch.randn(tensor.shape, generator=generator)
            * (2 / tensor[0].numel() if tensor.ndim == 4 else 0.01) ** 0.5
        )
        for name, tensor in shapes.items()
    }


@pytest.fixture(scope="module")
def layer_weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    state = expected_lpips_state()
    return {name: torch.rand(tensor.shape, generator=generator) for name, tensor in state.items()}


@pytest.fixture
def published(
    vgg16: dict[str, torch.Tensor],
    layer_weights: dict[str, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> theirs.SampleSimilarityLPIPS:
    """torch-fidelity's LPIPS with the same weights, which it would download."""

    class Pretrained:
        features = torchvision.models.vgg16(weights=None).features

    state = {name.removeprefix("features."): tensor for name, tensor in vgg16.items()}
    Pretrained.features.load_state_dict(state)
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: layer_weights)
    monkeypatch.setattr(theirs, "torchvision_load_pretrained_vgg16", Pretrained)
    return theirs.SampleSimilarityLPIPS("lpips-vgg16", sample_similarity_resize=64)


@pytest.mark.parametrize("side", [32, 64, 100])
def test_squared_distances_of_features_equal_torch_fidelitys_lpips(
    side: int,
    vgg16: dict[str, torch.Tensor],
    layer_weights: dict[str, torch.Tensor],
    published: theirs.SampleSimilarityLPIPS,
) -> None:
    extractor = LpipsFeatures(vgg16, layer_weights)
    a = torch.from_numpy(drawn_images(2, seed=1, side=side))
    b = torch.from_numpy(drawn_images(2, seed=2, side=side))
    found = (extractor(a) - extractor(b)).square().sum(dim=1)
    torch.testing.assert_close(found, published(a, b), rtol=1e-4, atol=0)
    assert extractor(a).shape == (2, extractor.features)
    unrounded = extractor.of_unrounded(a / 127.5 - 1)
    torch.testing.assert_close(unrounded, extractor(a), rtol=1e-3, atol=1e-5)


def test_building_leaves_global_random_state_alone_and_the_digest_knows_all_weights(
    vgg16: dict[str, torch.Tensor], layer_weights: dict[str, torch.Tensor]
) -> None:
    before = torch.get_rng_state()
    first = LpipsFeatures(vgg16, layer_weights)
    assert torch.equal(torch.get_rng_state(), before)
    other = layer_weights | {"lin0.model.1.weight": torch.zeros(1, CHANNELS[0], 1, 1)}
    assert LpipsFeatures(vgg16, other).weights_digest != first.weights_digest
    dense = vgg16 | {"classifier.0.weight": torch.zeros(1)}  # has no part in it
    assert LpipsFeatures(dense, layer_weights).weights_digest == first.weights_digest
