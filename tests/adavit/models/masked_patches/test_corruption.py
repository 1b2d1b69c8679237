import numpy as np
import pytest
import torch
from scipy.stats import binom

from adavit.models.masked_patches.corruption import Corruption, corrupt, draw_corruption, picked


def drawn(batch: int, patches: int, seed: int = 0) -> Corruption:
    return draw_corruption(batch, patches, torch.Generator().manual_seed(seed))


def is_corrupted(corruption: Corruption, patches: int) -> torch.Tensor:
    return (corruption.corrupted[:, :, None] == torch.arange(patches)).any(dim=1)  # [B, N]


def inside(hits: int, of: int, rate: float) -> bool:
    """Whether a count lies in the interval that holds all but 1 in 10,000."""
    low, high = binom.interval(1 - 1e-4, of, rate)
    return bool(low <= hits <= high)


@pytest.mark.parametrize(("patches", "number"), [(64, 32), (15, 8), (3, 2), (2, 1), (1, 1)])
def test_half_of_the_patches_of_each_image_are_corrupted(patches: int, number: int) -> None:
    corrupted = drawn(50, patches).corrupted
    assert corrupted.shape == (50, number)
    assert all(row == sorted(set(row)) for row in corrupted.tolist())
    assert 0 <= int(corrupted.min())
    assert int(corrupted.max()) < patches


def test_of_the_corrupted_80_percent_are_masked_and_10_percent_replaced() -> None:
    corruption = drawn(400, 64)
    total, corrupted = corruption.corrupted.numel(), is_corrupted(corruption, 64)
    own = torch.arange(400 * 64).view(400, 64)
    replaced = corruption.sources != own
    kept = corrupted & ~corruption.masked & ~replaced
    assert inside(int(corruption.masked.sum()), total, 0.8)
    assert inside(int(replaced.sum()), total, 0.1)
    assert inside(int(kept.sum()), total, 0.1)
    assert not (corruption.masked & replaced).any()
    assert not ((corruption.masked | replaced) & ~corrupted).any()


def test_every_place_is_corrupted_equally_often() -> None:
    hits = torch.bincount(drawn(4000, 16).corrupted.flatten(), minlength=16).tolist()
    assert all(inside(count, 4000, 0.5) for count in hits)


def test_replacements_come_from_everywhere_in_the_batch() -> None:
    batch, patches = 300, 20
    corruption = drawn(batch, patches, seed=1)
    own = torch.arange(batch * patches).view(batch, patches)
    moved = corruption.sources[corruption.sources != own]
    assert 0 <= int(moved.min())
    assert int(moved.max()) < batch * patches
    quarters = np.bincount(moved.numpy() * 4 // (batch * patches), minlength=4)
    assert all(inside(int(count), len(moved), 0.25) for count in quarters)


def test_the_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    first, same, other = drawn(4, 16), drawn(4, 16), drawn(4, 16, seed=2)
    assert torch.equal(first.corrupted, same.corrupted)
    assert torch.equal(first.masked, same.masked)
    assert torch.equal(first.sources, same.sources)
    assert not torch.equal(first.corrupted, other.corrupted)


def test_a_single_patch_has_no_other_to_take_from() -> None:
    for seed in range(20):
        assert drawn(1, 1, seed).sources.tolist() == [[0]]


def test_corrupted_tokens_are_those_of_a_loop() -> None:
    batch, patches, width = 30, 6, 5
    tokens = torch.randn(batch, patches, width)
    mask_token, before = torch.randn(width), tokens.clone()
    corruption = drawn(batch, patches)
    expected = tokens.clone()
    for image in range(batch):
        for patch in range(patches):
            source = int(corruption.sources[image, patch])
            expected[image, patch] = before[source // patches, source % patches]
            if corruption.masked[image, patch]:
                expected[image, patch] = mask_token
    result = corrupt(tokens, mask_token, corruption)
    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    torch.testing.assert_close(tokens, before, rtol=0, atol=0)
    untouched = ~is_corrupted(corruption, patches)
    torch.testing.assert_close(result[untouched], before[untouched], rtol=0, atol=0)
    assert not torch.equal(result, before)


def test_what_belongs_to_corrupted_patches_is_picked_image_by_image() -> None:
    corruption, values = drawn(7, 10), torch.randn(7, 10, 3)
    expected = values[is_corrupted(corruption, 10)]
    assert torch.equal(picked(values, corruption), expected)
    assert torch.equal(picked(values[..., 0], corruption), expected[:, 0])
