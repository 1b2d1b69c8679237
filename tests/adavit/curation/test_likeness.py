import io

import numpy as np
import pytest
from PIL import Image

from adavit.curation.likeness import clusters, find_alike
from tests.adavit.curation.conftest import textured


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.stack([textured(index).transpose(2, 0, 1) for index in range(30)])


def test_no_two_random_images_are_alike(images: np.ndarray) -> None:
    assert find_alike(images, range(len(images))) == []


def test_a_jpeg_a_mirror_image_and_another_brightness_are_alike(images: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(images[3].transpose(1, 2, 0)).save(buffer, format="JPEG", quality=30)
    saved = np.asarray(Image.open(buffer)).transpose(2, 0, 1)
    lighter = np.minimum(images[5].astype(np.int16) + 12, 255).astype(np.uint8)
    more = np.concatenate([images, saved[None], images[4][None, :, :, ::-1], lighter[None]])
    found = [
        (pair.first, pair.second, pair.mirrored) for pair in find_alike(more, range(len(more)))
    ]
    assert found == [(3, 30, False), (4, 31, True), (5, 32, False)]


def test_only_those_that_are_asked_for_are_compared(images: np.ndarray) -> None:
    more = np.concatenate([images[:4], images[:1]])
    assert [pair.second for pair in find_alike(more, [0, 1, 4])] == [4]
    assert find_alike(more, [1, 2, 3, 4]) == []


def test_what_differs_in_one_place_alone_is_not_alike(images: np.ndarray) -> None:
    other = images[:1].copy()
    other[:, :, 14:22, 14:22] = 255 - other[:, :, 14:22, 14:22]
    assert find_alike(np.concatenate([images[:1], other]), [0, 1]) == []


def test_a_hash_that_agrees_by_chance_is_not_enough(images: np.ndarray) -> None:
    # Hues rotated, so that luma and with it the hash hardly change.
    colour = np.zeros((2, 3, 32, 32), np.uint8)
    pattern = np.asarray(Image.fromarray(images[0, 0]).resize((32, 32), Image.Resampling.BICUBIC))
    colour[0, 0] = pattern
    colour[1, 2] = np.minimum(pattern.astype(np.float32) * 0.299 / 0.114, 255)
    assert find_alike(colour, [0, 1]) == []


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_images_are_compared_too(images: np.ndarray, channels: int) -> None:
    alpha = np.full((30, 1, 40, 40), 200, np.uint8)
    some = images[:, :1] if channels == 1 else np.concatenate([images, alpha], axis=1)
    more = np.concatenate([some, some[7:8]])
    assert [(p.first, p.second) for p in find_alike(more, range(31))] == [(7, 30)]


def test_clusters_follow_links() -> None:
    assert clusters(9, [(5, 2), (2, 8), (1, 4)]) == [[1, 4], [2, 5, 8]]
    assert clusters(3, []) == []
