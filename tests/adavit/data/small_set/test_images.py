import hashlib

import numpy as np
import pytest

from adavit.data import load_images
from adavit.data.small_set.images import CLASSES, IMAGES_PER_CLASS, draw_small_set


@pytest.fixture(scope="module")
def few() -> tuple[np.ndarray, np.ndarray]:
    return draw_small_set(images_per_class=20)


def test_there_are_ten_kinds_in_turn(few: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = few
    assert images.shape == (200, 32, 32, 3)
    assert images.dtype == np.uint8
    assert CLASSES == (
        "ball",
        "boat",
        "car",
        "cat",
        "fish",
        "flower",
        "house",
        "mushroom",
        "rocket",
        "tree",
    )
    assert labels.tolist() == list(range(10)) * 20
    assert IMAGES_PER_CLASS * len(CLASSES) == 2000


def test_bytes_are_pinned_because_they_must_be_the_same_on_every_machine(
    few: tuple[np.ndarray, np.ndarray],
) -> None:
    digest = hashlib.sha256(few[0].tobytes()).hexdigest()
    assert digest == "c56e9d3d29f5e6629ce817c1ddb1b2ec02303cd7379b0e485ef2c64ba6c54aa0", (
        "the drawing changed: raise VERSION in small_set.py"
    )


def test_fewer_images_are_the_beginning_of_more(few: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(draw_small_set(images_per_class=3)[0], few[0][:30])


def test_no_two_images_are_the_same(few: tuple[np.ndarray, np.ndarray]) -> None:
    assert len({image.tobytes() for image in few[0]}) == 200


def test_images_of_a_kind_vary_everywhere_and_differ_from_other_kinds(
    few: tuple[np.ndarray, np.ndarray],
) -> None:
    kinds = few[0].astype(np.float64).reshape(20, 10, -1)
    assert (kinds.std(axis=0).mean(axis=1) > 15).all()  # colour, pose, light and background
    means = kinds.mean(axis=0)
    distances = np.abs(means[:, None] - means[None]).mean(axis=2) + np.eye(10) * 1e3
    assert distances.min() > 10


def test_images_are_smooth_not_noise(few: tuple[np.ndarray, np.ndarray]) -> None:
    images = few[0].astype(np.float64)
    step = np.abs(np.diff(images, axis=2)).mean()
    assert step < 0.35 * images.std()  # noise would have 1.1


@pytest.mark.slow
def test_the_whole_set_is_pinned() -> None:
    found = load_images("small_set")
    assert found.images.shape == (2000, 3, 32, 32)
    assert found.fingerprint == "f79ea51c64d1970fa5321ff320d679bc620bf296bcbf3e98d6662c33189d21df"
