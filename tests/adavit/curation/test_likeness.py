import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.curation import likeness
from adavit.curation.likeness import ComparedPixels, clusters, compared, find_alike, shrunk
from adavit.curation.seen_likeness import SeenLikeness
from adavit.data.dataset import load_images
from adavit.data.files.fit import FitName
from adavit.data.reading import Reading
from tests.adavit.curation.conftest import scene, textured
from tests.references.alike import alike_pairs, compared_pair


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
    assert not any(compared(small[at], small[[40 + n]]).is_copy for n, at in enumerate(cut))
    found = {(pair.first, pair.second, pair.mirrored) for pair in find_alike(more, range(47))}
    wanted = {(at, 40 + n, False) for n, at in enumerate(cut)}
    assert found == wanted | {(8, 46, True)}  # through 8, 46 is linked with 43


def test_what_a_network_confirms_must_be_alike_in_its_pixels_too(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        SeenLikeness, "distances", lambda _, __, others, **___: torch.zeros(len(others))
    )
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


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("transparent", [False, True])
def test_what_images_are_filled_up_with_does_not_make_them_alike(
    tmp_path: Path, fit: FitName, transparent: bool
) -> None:
    for index in range(60):
        Image.fromarray(textured(index, 40, 120)).save(tmp_path / f"{index:02d}.png")
    Image.fromarray(textured(3, 40, 120)).save(tmp_path / "again.jpg", quality=40)
    Image.fromarray(textured(4, 40, 120)[:, ::-1]).save(tmp_path / "mirrored.png")
    Image.fromarray(textured(60)).save(tmp_path / "square.png")
    if transparent:
        alpha = np.full((40, 120, 1), 255, np.uint8)
        alpha[15:25, 55:65] = 0
        Image.fromarray(np.concatenate([textured(61, 40, 120), alpha], axis=2)).save(
            tmp_path / "transparent.png"
        )
    images = load_images(str(tmp_path), resolution=64, reading=Reading(fit=fit))
    assert images.images.shape[1] == (4 if transparent else 3)
    found = find_alike(images.images, range(len(images)), inside=images.inside)
    assert [(images.names[p.first], images.names[p.second], p.mirrored) for p in found] == [
        ("03.png", "again.jpg", False),
        ("04.png", "mirrored.png", True),
    ]


def test_clusters_follow_links() -> None:
    assert clusters(9, [(5, 2), (2, 8), (1, 4)]) == [[1, 4], [2, 5, 8]]
    assert clusters(3, []) == []


def many_alike(seed: int) -> np.ndarray:
    """uint8 [N, 3, 32, 32]: scenes, most of them several times: lighter, noisy, cut, mirrored, with a dot, by steps."""
    random = np.random.default_rng(seed)
    made = []
    for at in range(8):
        image = scene(100 * seed + at).astype(np.float64)
        other = scene(100 * seed + 50 + at).astype(np.float64)
        for _ in range(random.integers(3, 8)):
            kind, size = random.integers(6), random.uniform(0.2, 2.0)
            changed = image + 8 * size * random.standard_normal((32, 32, 3))
            if kind == 0:
                changed = image * (1 - 0.2 * size) + 12 * size
            elif kind == 1:
                place = slice(10, 12 + int(4 * size))
                changed[place, place] = 255 - changed[place, place]
            elif kind == 2:
                picture = Image.fromarray(image.clip(0, 255).astype(np.uint8))
                box = (size, size, 32 - size, 32 - size)
                changed = np.asarray(picture.resize((32, 32), box=box)).astype(np.float64)
            elif kind == 3:
                changed = changed[:, ::-1]
            elif kind == 4:
                image = image + 0.12 * size * (other - image)
                changed = image
            made.append(changed.clip(0, 255).astype(np.uint8).transpose(2, 0, 1))
    return np.stack(made)[random.permutation(len(made))]


@pytest.mark.parametrize("seed", range(8))
def test_the_same_images_are_linked_as_when_each_pair_is_compared(seed: int) -> None:
    images = many_alike(seed)
    pairs = alike_pairs(images)
    found = find_alike(images, range(len(images)))
    wanted = clusters(len(images), pairs)
    assert len(wanted) > 1
    assert clusters(len(images), [(pair.first, pair.second) for pair in found]) == wanted
    assert len(found) == sum(len(group) - 1 for group in wanted) < len(pairs)
    for pair in found:
        mirrored, correlation = pairs[pair.first, pair.second]
        assert pair.mirrored == mirrored
        assert pair.correlation == pytest.approx(correlation, abs=2e-4)  # rounded to 1e-4
    plain = [pair for pair, (mirrored, _) in pairs.items() if not mirrored]
    linked = sum(not pair.mirrored for pair in found)
    assert linked == sum(len(group) - 1 for group in clusters(len(images), plain))


def test_many_are_compared_as_one_by_one() -> None:
    images = np.concatenate([many_alike(3), np.full((1, 3, 32, 32), 9, np.uint8)])
    small = shrunk(images)
    for first in (0, 7, len(small) - 1):
        found = compared(small[first], small)
        for at, other in enumerate(small.numpy()):
            wanted = compared_pair(small[first].numpy(), other)
            for name in ("correlation", "mean_levels", "contrast_factor"):
                value = float(getattr(found, name)[at])
                # Of float32, of which a thousand are added.
                assert value == pytest.approx(getattr(wanted, name), rel=1e-4, abs=1e-5), name
            assert bool(found.is_even[at]) == wanted.is_even


@pytest.mark.parametrize("count", [40, 400])
def test_of_images_that_all_look_the_same_each_is_compared_once(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    random = np.random.default_rng(0)
    film = scene(0).transpose(2, 0, 1) + random.integers(-3, 4, (count, 3, 32, 32))
    asked = []

    def counted(first: torch.Tensor, others: torch.Tensor) -> ComparedPixels:
        asked.append(len(others))
        return compared(first, others)

    monkeypatch.setattr(likeness, "compared", counted)
    found = find_alike(film.clip(0, 255).astype(np.uint8), range(count))
    assert len(found) == count - 1
    assert sum(asked) == count - 1


def test_each_stage_is_told_up_to_its_end(images: np.ndarray) -> None:
    told: list[tuple[str, int, int]] = []
    find_alike(images[:5], range(5), progress=lambda *what: told.append(what))
    stages = ("hashing", "comparing", "comparing mirrored")
    assert told == [(stage, done, 5) for stage in stages for done in range(1, 6)]
