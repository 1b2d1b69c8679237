from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.curation.cuts import Trim
from adavit.curation.glance import Glance, advice, glance
from adavit.data.dataset import load_images
from adavit.data.files.fit import FitName
from adavit.data.reading import Reading
from tests.adavit.curation.conftest import blobs, textured


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize("level", [0, 255])
def test_what_lies_between_the_sampled_pixels_is_seen(side: int, level: int) -> None:
    images = np.full((3, 3, side, side), level, dtype=np.uint8)
    images[1, :, 33] = 255 - level  # a line
    images[2, :, 33:39, 33:39] = 255 - level  # a small thing
    seen = glance(images)
    assert (seen.blank, seen.dark) == ([0], [1, 2] if level == 0 else [])


def test_light_between_the_sampled_pixels_is_seen() -> None:
    chequered = np.indices((64, 64)).sum(axis=0) % 2 * 255
    striped = np.arange(64)[None].repeat(64, axis=0) % 2 * 255
    images = np.stack([chequered, striped]).astype(np.uint8)[:, None].repeat(3, axis=1)
    seen = glance(images)
    assert (seen.blank, seen.dark) == ([], [])


def test_equal_blank_dark_and_framed_images_are_found_by_index() -> None:
    images = blobs(12)
    images[5] = images[2]
    images[9] = images[2]
    images[3] = 77
    images[4] = images[4] // 16
    images[7][:, :3] = images[7][:, -3:] = 0
    labels = np.array([0, 1] * 6)
    seen = glance(images, labels, ["cat", "dog"])
    assert seen.count == 12
    assert seen.equal == [[2, 5, 9]]
    assert seen.across == [[2, 5, 9]]
    assert seen.copies == 2
    assert seen.blank == [3]
    assert seen.dark == [4]
    assert list(seen.frames) == [7]
    assert seen.class_counts == {"cat": 6, "dog": 6}


def test_how_images_lie_in_memory_does_not_matter() -> None:
    images = blobs(6)
    images[4] = images[1]
    by_pixels = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert glance(by_pixels) == glance(images)
    assert glance(by_pixels).equal == [[1, 4]]


def test_only_chosen_images_count() -> None:
    images = blobs(8)
    images[6] = images[1]
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    chosen = np.array([0, 1, 2, 3, 4, 5])
    seen = glance(images, labels, ["a", "b"], chosen=chosen)
    assert (seen.count, seen.equal, seen.class_counts) == (6, [], {"a": 6})
    assert (seen.empty, seen.imbalance) == (["b"], 1.0)
    assert glance(images, labels, ["a", "b"]).across == [[1, 6]]


def test_large_images_that_differ_where_nobody_looked_are_not_equal() -> None:
    images = np.repeat(blobs(1, side=16), 3, axis=0).repeat(8, axis=2).repeat(8, axis=3)
    images[1, 0, 5, 7] += 1
    assert glance(images).equal == [[0, 2]]
    images[:, :, :6] = images[:, :, -6:] = 250
    assert sorted(glance(images).frames) == [0, 1, 2]
    assert glance(images).frames[0].box == (0, 6, 128, 122)


def test_transparent_pixels_do_not_make_an_image_dark() -> None:
    images = np.concatenate([blobs(2), np.full((2, 1, 24, 24), 255, np.uint8)], axis=1)
    images[:, :, 4:] = 0
    assert glance(images).dark == []


def test_advice_is_three_lines_at_most_with_what_to_do() -> None:
    assert advice(Glance(300), "mine", conditional=True) == []
    frames = dict.fromkeys(range(60), None)
    worst = Glance(
        300,
        equal=[[0, 1], [2, 3, 4]],
        across=[[0, 1]],
        blank=list(range(9)),
        frames=frames,  # type: ignore[arg-type]
        class_counts={"cat": 290, "dog": 10},
    )
    lines = advice(worst, "mine", conditional=True)
    assert len(lines) == 3
    assert all(line.startswith("Warning: ") and "adavit data check mine" in line for line in lines)
    unconditional = advice(worst, "mine", conditional=False)
    assert "adavit data crop mine --trim" in unconditional[-1]
    assert not any("class" in line for line in unconditional)
    unequal = Glance(300, class_counts={"cat": 290, "dog": 10})
    assert "29 times" in advice(unequal, "mine", conditional=True)[0]


def test_classes_without_an_image_to_train_on_are_named_where_classes_are_learnt() -> None:
    seen = Glance(300, across=[[0, 1]], class_counts={"cat": 300}, empty=["dog", "a\nb"])
    (line,) = advice(seen, "mine", conditional=True)[:1]
    assert line == (
        "Warning: 2 classes have no image to train on (dog, a\\nb) and cannot be learnt; a larger --subset or a smaller"
        " --val-fraction gives them some, and adavit data subset mine --count N --balanced --out EVEN as many of each."
    )
    assert advice(seen, "mine", conditional=False) == []


def test_few_flaws_in_a_large_set_are_not_worth_a_line() -> None:
    assert advice(Glance(5000, blank=[1, 2, 3, 4]), "mine", conditional=False) == []
    assert advice(Glance(20, blank=[1, 2]), "mine", conditional=False) == []


def oblong_images() -> dict[str, np.ndarray]:
    """Landscapes and portraits, uint8 [H, W, 3], with strips by name."""
    made = {}
    for number, (shape, (height, width)) in enumerate(
        {"landscape": (120, 180), "portrait": (180, 120)}.items()
    ):
        for strips in ("none", "all", "above and below", "left and right"):
            for colour in (0, 255):
                image = textured(10 * number + len(strips), height, width).copy()
                if strips in ("all", "above and below"):
                    image[:15] = image[-15:] = colour
                if strips in ("all", "left and right"):
                    image[:, :15] = image[:, -15:] = colour
                made[f"{shape}, {strips}, {colour}.png"] = image
    return made


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_frames_of_oblong_images_are_those_that_training_sees(tmp_path: Path, fit: FitName) -> None:
    given = oblong_images()
    for folder in ("given", "trimmed"):
        (tmp_path / folder).mkdir()
    for name, image in given.items():
        Image.fromarray(image).save(tmp_path / "given" / name)
        opaque = np.concatenate([image, np.full_like(image[..., :1], 255)], axis=2)
        ((_, part),) = Trim().parts(name, opaque.transpose(2, 0, 1))
        Image.fromarray(np.ascontiguousarray(part[:3].transpose(1, 2, 0))).save(
            tmp_path / "trimmed" / name
        )
    images = load_images(str(tmp_path / "given"), resolution=48, reading=Reading(fit=fit))
    seen = glance(images.images, inside=images.inside)
    removed = {"landscape, left", "portrait, above"} if fit == "crop" else set()
    wanted = {
        name
        for name in given
        if "none" not in name and not any(name.startswith(start) for start in removed)
    }
    assert {images.names[index] for index in seen.frames} == wanted
    trimmed = load_images(str(tmp_path / "trimmed"), resolution=48, reading=Reading(fit=fit))
    assert not glance(trimmed.images, inside=trimmed.inside).frames


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("transparent", [False, True])
def test_oblong_images_of_one_colour_are_blank_however_they_are_filled_up(
    tmp_path: Path, fit: FitName, transparent: bool
) -> None:
    for name, (height, width) in {"lying": (40, 120), "standing": (120, 40)}.items():
        Image.new("RGB", (width, height), (200, 30, 30)).save(tmp_path / f"{name} blank.png")
        Image.fromarray(textured(height, height, width)).save(tmp_path / f"{name}.png")
    Image.new("RGBA" if transparent else "RGB", (40, 40)).save(tmp_path / "nothing.png")
    images = load_images(str(tmp_path), resolution=64, reading=Reading(fit=fit))
    assert images.images.shape[1] == (4 if transparent else 3)
    seen = glance(images.images, inside=images.inside)
    assert [images.names[index] for index in seen.blank] == [
        "lying blank.png",
        "nothing.png",
        "standing blank.png",
    ]


def test_a_frame_is_looked_for_inside_of_what_an_image_was_filled_up_to(tmp_path: Path) -> None:
    for name, image in oblong_images().items():
        Image.fromarray(image).save(tmp_path / name)
    images = load_images(str(tmp_path), resolution=48, reading=Reading(fit="pad"))
    seen = glance(images.images, inside=images.inside)
    at = images.names.index("landscape, above and below, 0.png")
    # 180x120 becomes 48x32, in the middle of 48x48; 15 of 120 rows become 4 of 32.
    assert seen.frames[at].box == (0, 8 + 4, 48, 40 - 4)


def test_images_that_are_no_files_are_not_said_to_be_left_out() -> None:
    seen = Glance(20, equal=[list(range(10))], blank=list(range(10, 20)))
    lines = advice(seen, "cifar10", conditional=False, has_files=False)
    assert len(lines) == 2
    assert all(line.endswith("; adavit data check cifar10 names them.") for line in lines)
