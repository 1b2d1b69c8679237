from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.styles.centres import k_means, style_centres
from adavit.styles.classes import ClassChoice
from tests.stored_generators import stored_generator


def test_k_means_finds_planted_clusters_the_largest_first() -> None:
    stream = torch.Generator().manual_seed(0)
    planted = 20 * torch.randn(7, 12, generator=stream)
    sizes = [130, 110, 90, 70, 50, 30, 10]
    members = [
        c + torch.randn(n, 12, generator=stream) for c, n in zip(planted, sizes, strict=True)
    ]
    points = torch.cat(members)[torch.randperm(sum(sizes), generator=stream)]
    found = k_means(points, 7, seed=3)
    means = torch.stack([each.mean(dim=0) for each in members])
    torch.testing.assert_close(found, means, rtol=0, atol=1e-4)
    assert torch.equal(found, k_means(points, 7, seed=3))


def test_one_centre_is_the_mean_and_equal_points_are_their_own() -> None:
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(k_means(points, 1, seed=0)[0], points.mean(dim=0))
    assert torch.equal(k_means(torch.ones(9, 2), 3, seed=0), torch.ones(3, 2))


def test_centres_are_computed_once_for_a_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.styles.centres.DRAWS", 300)
    generator = stored_generator(tmp_path).generator
    cache = tmp_path / "cache"
    first = style_centres(generator, ClassChoice(), 4, cache_dir=cache)
    assert first.shape == (4, 6)
    other_seed = style_centres(generator, ClassChoice(), 4, seed=1, cache_dir=cache)
    assert not torch.equal(first, other_seed)
    with monkeypatch.context() as patch:
        patch.setattr("adavit.styles.centres.k_means", None)
        assert torch.equal(style_centres(generator, ClassChoice(), 4, cache_dir=cache), first)
    generator.mapping.layers[0].bias.data += 0.1
    assert not torch.equal(style_centres(generator, ClassChoice(), 4, cache_dir=cache), first)
    for count in (0, 1001):
        with pytest.raises(UserError, match=f"--truncation-centres is {count}, expected"):
            style_centres(generator, ClassChoice(), count, cache_dir=cache)
