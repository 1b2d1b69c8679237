import numpy as np
import pytest
import torch
from torch import Tensor

from adavit.diagnostics.memorisation import duplicates as module
from adavit.diagnostics.memorisation.duplicates import CONTRAST_SHARE, LEVELS, find_duplicates
from tests.adavit.diagnostics.conftest import random_images


def near_by_hand(images: Tensor, *, mirror: bool) -> set[tuple[int, int, bool]]:
    """Every pair measured by itself; for sets without exact copies."""
    pixels = images.double().numpy()
    found = set()
    for first in range(len(pixels)):
        for second in range(first + 1, len(pixels)):
            a, b = pixels[first], pixels[second]
            contrast = np.sqrt((a.var((1, 2)).mean() + b.var((1, 2)).mean()) / 2)
            for flipped in (False, True) if mirror else (False,):
                other = b[:, :, ::-1] if flipped else b
                if np.sqrt(((a - other) ** 2).mean()) <= max(LEVELS, CONTRAST_SHARE * contrast):
                    found.add((first, second, flipped))
    return found


def noisy(images: Tensor, std: float, seed: int) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed)) * std
    return (images.float() + noise).round().clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize(
    ("rows", "shape"), [(7, (16, 16)), (4096, (16, 16)), (7, (24, 40)), (7, (20, 28))]
)
def test_near_pairs_are_those_of_all_comparisons(
    monkeypatch: pytest.MonkeyPatch, rows: int, mirror: bool, shape: tuple[int, int]
) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", rows)
    images = random_images(12, side=shape[1])[:, :, : shape[0]]
    # Around the threshold of 0.2 x 74 levels, on both sides of it; some are flipped.
    copies = torch.cat([noisy(images[:4], 8, 1), noisy(images[4:8], 17, 2)])
    copies[::2] = copies[::2].flip(-1)
    images = torch.cat([images, copies])
    found = find_duplicates(images.numpy(), mirror=mirror)
    expected = near_by_hand(images, mirror=mirror)
    assert {(pair.first, pair.second, pair.mirrored) for pair in found.near} == expected
    assert 2 <= len(expected) < 8
    assert found.exact == []
    differences = [pair.difference for pair in found.near]
    assert differences == sorted(differences)


@pytest.mark.parametrize("tile", [3, 512])
def test_of_the_frames_of_a_film_every_pair_counts_and_the_closest_are_kept(
    monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", tile)
    monkeypatch.setattr(module, "LISTED", 5)
    frames = noisy(random_images(1).expand(11, -1, -1, -1), 3, 1)
    found = find_duplicates(frames.numpy(), mirror=False)
    assert found.near_pairs == 11 * 10 / 2
    pixels = frames.double()
    expected = sorted(
        ((pixels[a] - pixels[b]).square().mean().sqrt().item(), a, b)
        for a in range(11)
        for b in range(a + 1, 11)
    )
    assert [(pair.difference, pair.first, pair.second) for pair in found.near] == expected[:5]


def test_exact_copies_are_grouped_and_not_counted_as_near() -> None:
    images = random_images(5)
    images = torch.cat([images, images[1:2], images[3:4], images[1:2]])
    found = find_duplicates(images.numpy(), mirror=False)
    assert found.exact == [[1, 5, 7], [3, 6]]
    assert found.copies == {5, 6, 7}
    assert found.copies_of(np.array([2, 5])).tolist() == [1, 2, 5, 7]
    assert found.near == []


def test_a_flipped_copy_counts_where_training_flips() -> None:
    images = random_images(4)
    images = torch.cat([images, images[2:3].flip(-1)])
    assert find_duplicates(images.numpy(), mirror=False).exact == []
    assert find_duplicates(images.numpy(), mirror=True).exact == [[2, 4]]


def test_a_symmetric_image_is_no_copy_of_itself() -> None:
    images = random_images(3)
    images[1] = torch.maximum(images[1], images[1].flip(-1))
    found = find_duplicates(images.numpy(), mirror=True)
    assert (found.exact, found.near) == ([], [])


def test_a_pair_that_is_near_as_it_is_and_flipped_is_counted_once() -> None:
    images = random_images(5)
    images[1], images[3] = 100, 101
    found = find_duplicates(images.numpy(), mirror=True)
    assert found.near_pairs == 1
    assert [(pair.first, pair.second, pair.mirrored) for pair in found.near] == [(1, 3, False)]


def test_colours_that_are_not_seen_do_not_count() -> None:
    images = random_images(2, channels=4)
    images[:, 3] = 0
    assert find_duplicates(images.numpy(), mirror=False).exact == [[0, 1]]


def test_blank_images_are_alike_within_a_level() -> None:
    images = torch.stack([torch.full((1, 16, 16), level) for level in (10, 11, 13)])
    found = find_duplicates(images.to(torch.uint8).numpy(), mirror=False)
    assert [(pair.first, pair.second) for pair in found.near] == [(0, 1)]


def test_the_record_lists_names_and_counts_beyond_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LISTED", 1)
    images = random_images(3)
    images = torch.cat([images, images[:2], noisy(images, 3, 1)])
    record = find_duplicates(images.numpy(), mirror=False).as_record(list("abcdefgh"))
    assert (record["exact_copies"], record["near_pairs"]) == (2, 3)
    assert record["exact_groups"] == [["a", "d"]]
    assert len(record["closest_near_pairs"]) == 1
    pair = record["closest_near_pairs"][0]
    assert (pair["first"], pair["second"]) in {("a", "f"), ("b", "g"), ("c", "h")}
    by_index = find_duplicates(images.numpy(), mirror=False).as_record(None)
    assert by_index["exact_groups"] == [[0, 3]]
