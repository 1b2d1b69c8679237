import imagehash
import numpy as np
import pytest
import torch
from PIL import Image

from adavit.curation import perceptual_hashes
from adavit.curation.likeness import shrunk
from adavit.curation.perceptual_hashes import CLOSE_BITS, PerceptualHashes
from tests.adavit.curation.conftest import scene


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    """uint8 [30, 32, 32]: scenes, each followed by one mixed of it, and by that mirrored."""
    some = [scene(index) for index in range(10)]
    mixed = [(0.8 * image + 0.2 * scene(at + 20)) for at, image in enumerate(some)]
    mirrored = [image[:, ::-1] for image in mixed]
    in_turn = [each for three in zip(some, mixed, mirrored, strict=True) for each in three]
    return np.stack(in_turn).mean(-1).round().astype(np.uint8)


@pytest.mark.parametrize("block", [1, 30 * 7, 1 << 24])
@pytest.mark.parametrize("mirrored", [False, True])
def test_candidates_are_the_later_images_whose_hash_differs_in_few_bits(
    grey: np.ndarray, mirrored: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perceptual_hashes, "_BLOCK", block)
    plain = [imagehash.phash(Image.fromarray(each)) for each in grey]
    other = [imagehash.phash(Image.fromarray(each[:, ::-1].copy())) for each in grey]
    others = other if mirrored else plain
    wanted = [
        (a, [b for b in range(a + 1, 30) if plain[a] - others[b] <= CLOSE_BITS]) for a in range(30)
    ]
    assert sum(len(close) for _, close in wanted) >= 5
    hashes = PerceptualHashes(shrunk(grey[:, None]))
    found = hashes.candidates(mirrored=mirrored)
    assert [(first, close.tolist()) for first, close in found] == wanted


@pytest.mark.parametrize("mirrored", [False, True])
def test_rows_say_whose_hash_is_close(grey: np.ndarray, mirrored: bool) -> None:
    hashes = PerceptualHashes(shrunk(grey[:, None]))
    close = hashes.close(torch.tensor([3, 25]), mirrored=mirrored)
    assert close.shape == (2, 30)
    for row, first in zip(close, (3, 25), strict=True):
        assert bool(row[first]) == (not mirrored)
    later = {first: others.tolist() for first, others in hashes.candidates(mirrored=mirrored)}
    assert [at for at in close[0].nonzero()[:, 0].tolist() if at > 3] == later[3]


def test_dark_shapes_have_a_hash_by_their_alpha() -> None:
    shapes = np.zeros((2, 4, 32, 32), np.uint8)
    shapes[0, 3, 4:20, 3:12] = shapes[1, 3, 15:30, 8:28] = 255
    assert not PerceptualHashes(shrunk(shapes)).close(torch.tensor([0]))[0, 1]


@pytest.mark.parametrize("count", [0, 1])
def test_of_one_image_or_none_there_are_no_candidates(grey: np.ndarray, count: int) -> None:
    small = shrunk(grey[:1, None])[:count]
    candidates = PerceptualHashes(small).candidates(mirrored=False)
    assert [len(others) for _, others in candidates] == [0] * count


def test_each_image_is_told(grey: np.ndarray) -> None:
    told: list[tuple[int, int]] = []
    PerceptualHashes(shrunk(grey[:3, None]), lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]
