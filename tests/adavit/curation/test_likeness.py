import io

import numpy as np
import pytest
from PIL import Image

from adavit.curation.likeness import clusters, compared, find_alike, shrunk
from adavit.curation.seen_likeness import SeenLikeness
from tests.adavit.curation.conftest import scene, textured


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


def test_copies_that_are_cut_by_a_few_percent_are_found() -> None:
    some = np.stack([scene(index).transpose(2, 0, 1) for index in range(40)])
    pictures = [Image.fromarray(image.transpose(1, 2, 0)) for image in some]
    cut = (0, 1, 4, 8, 9, 10)
    box = (0.64, 0.64, 31.36, 31.36)
    copies = [pictures[at].resize((32, 32), Image.Resampling.LANCZOS, box=box) for at in cut]
    copies.append(copies[3].transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    made = np.stack([np.asarray(each).transpose(2, 0, 1) for each in copies])
    more = np.concatenate([some, made])
    small = shrunk(more)
    # What moves at the edge of a thing is as large as the hand of a clock: the pixels do not confirm it.
    assert not any(compared(small[at], small[40 + n]).is_copy for n, at in enumerate(cut))
    found = {(pair.first, pair.second, pair.mirrored) for pair in find_alike(more, range(47))}
    wanted = {(at, 40 + n, False) for n, at in enumerate(cut)}
    assert found == wanted | {(8, 46, True), (43, 46, True)}


def test_what_a_network_confirms_must_be_alike_in_its_pixels_too(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SeenLikeness, "distance", lambda *_, **__: 0.0)
    darker = images[:3].astype(np.int16) - np.array([20, 26, 44])[:, None, None, None]
    more = np.concatenate([images, darker.clip(0, 255).astype(np.uint8)])
    pairs = {(pair.first, pair.second) for pair in find_alike(more, range(33))}
    assert (1, 31) in pairs
    assert (2, 32) not in pairs


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
