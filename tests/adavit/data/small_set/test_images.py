import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from adavit.data import load_images
from adavit.data.small_set import images
from adavit.data.small_set.images import (
    BATCH,
    CLASSES,
    Drawings,
    draw_batch,
    draw_small_set,
)


@pytest.fixture(scope="module")
def few() -> tuple[np.ndarray, np.ndarray]:
    return draw_small_set(200)


def test_there_are_ten_kinds_in_turn(few: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, labels = few
    assert pixels.shape == (200, 32, 32, 3)
    assert pixels.dtype == np.uint8
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


def test_bytes_are_pinned_because_they_must_be_the_same_on_every_machine(
    few: tuple[np.ndarray, np.ndarray],
) -> None:
    digest = hashlib.sha256(few[0].tobytes()).hexdigest()
    assert digest == "c56e9d3d29f5e6629ce817c1ddb1b2ec02303cd7379b0e485ef2c64ba6c54aa0", (
        "the drawing changed: raise VERSION in small_set.py"
    )


def test_fewer_images_are_the_beginning_of_more(few: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(draw_small_set(33)[0], few[0][:33])


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


def test_a_seed_draws_others_and_none_is_seed_0(few: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(draw_batch(3, 0), few[0][3::10])
    np.testing.assert_array_equal(draw_batch(3, 0), draw_batch(3, 0, seed=0))
    batches = [
        draw_batch(3, number, seed=seed) for number, seed in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    assert len({image.tobytes() for batch in batches for image in batch}) == 4 * BATCH


def test_a_larger_drawing_is_of_the_same_scene(few: tuple[np.ndarray, np.ndarray]) -> None:
    large = draw_batch(4, 0, size_px=64)
    assert large.shape == (BATCH, 64, 64, 3)
    halved = large.astype(np.float64).reshape(BATCH, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    # Both are antialiased: they differ along edges only, and there by less than a quarter of white as a rule.
    difference = np.abs(halved - few[0][4::10])
    assert difference.mean() < 2.0
    assert np.quantile(difference, 0.99) < 64
    # It has detail of its own: neighbours that an enlarged one would repeat differ.
    assert np.mean(large[:, :, ::2] != large[:, :, 1::2]) > 0.15


def test_threads_that_read_out_of_order_get_the_same_drawings(
    few: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[int, int]] = []

    def counted(kind: int, number: int, **arguments: int) -> np.ndarray:
        drawn.append((kind, number))
        return draw_batch(kind, number, **arguments)

    monkeypatch.setattr(images, "draw_batch", counted)
    order = [*range(99, -1, -1), *range(100, 200)]
    drawings = Drawings()
    with ThreadPoolExecutor(4) as threads:
        found = dict(zip(order, threads.map(drawings.__getitem__, order), strict=True))
    np.testing.assert_array_equal(np.stack([found[index] for index in range(200)]), few[0])
    assert sorted(drawn) == [(kind, 0) for kind in range(10)]  # each batch once


def test_few_batches_are_kept_and_one_that_failed_fails_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def small(kind: int, number: int, **_: int) -> np.ndarray:
        if number == 7:
            raise MemoryError
        return np.full((BATCH, 1, 1, 3), number, dtype=np.uint8)

    monkeypatch.setattr(images, "draw_batch", small)
    drawings = Drawings(size_px=1)
    for index in range(0, 1400, 10):
        assert drawings[index].item(0) == index // 200
    assert len(drawings._batches) == 7
    for kind in range(1, 10):
        for number in range(7):
            drawings[200 * number + kind]
    assert len(drawings._batches) == 20
    for _ in range(2):
        with pytest.raises(MemoryError):
            drawings[1400]


def test_images_are_smooth_not_noise(few: tuple[np.ndarray, np.ndarray]) -> None:
    pixels = few[0].astype(np.float64)
    step = np.abs(np.diff(pixels, axis=2)).mean()
    assert step < 0.35 * pixels.std()  # noise would have 1.1


@pytest.mark.slow
def test_the_whole_set_is_pinned() -> None:
    found = load_images("small_set")
    assert found.images.shape == (2000, 3, 32, 32)
    assert found.fingerprint == "f79ea51c64d1970fa5321ff320d679bc620bf296bcbf3e98d6662c33189d21df"
