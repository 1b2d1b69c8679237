import torch

from adavit.curation.patch_features import patch_features
from tests.adavit.curation.conftest import blobs


def floats(count: int = 20) -> torch.Tensor:
    return torch.from_numpy(blobs(count)).float() / 127.5 - 1


def test_features_are_standardised_and_a_function_of_the_stream() -> None:
    images = floats()
    first, second = (patch_features(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, patch_features(images, torch.Generator().manual_seed(4)))
    torch.testing.assert_close(first.mean(0), torch.zeros(first.shape[1]), rtol=0, atol=1e-4)
    assert 0.9 < float(first.std(0, correction=0).median()) <= 1.0


def test_blank_images_have_features_of_zero() -> None:
    features = patch_features(torch.zeros(6, 3, 16, 16), torch.Generator().manual_seed(0))
    assert torch.isfinite(features).all()
    assert not features.any()
