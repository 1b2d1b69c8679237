import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from adavit.curation.check import DataCheck
from adavit.curation.check_text import as_record, as_text, sections
from adavit.curation.symmetry import SymmetryTest
from adavit.data.files.fit import FitName
from tests.adavit.curation.conftest import textured
from tests.adavit.curation.test_check import checked
from tests.references.data_files import encode, write_folder


@pytest.fixture
def check(spoilt: Path) -> DataCheck:
    return checked(spoilt)


def test_every_finding_has_its_sentence(check: DataCheck) -> None:
    text = as_text(check)
    for words in (
        "21 images, 17 without copies; 1 file left out.",
        "a/broken.png is damaged",
        "Formats and modes: PNG RGB 20, JPEG RGB 1.",
        "JPEG: 1 file, quality 40 to 40",
        "2 images equal an earlier one: a/00.png = b/leaked_00.png; a/02.png = a/equal_02.png.",
        "1 image is a near copy of another: a/06.png = a/near_06.jpg.",
        "1 image is a mirrored copy of another: a/04.png = a/mirrored_04.png.",
        "1 picture stands in more than one class: a/00.png = b/leaked_00.png.",
        "1 image is of one colour, or nearly: a/blank.png.",
        "2 classes, from 9 images (b) to 12 (a), 1.3 times as many",
        "Floor: 8 real images score fd_random",
        "against 8 others at 32x32 px. It compares with 8 generated images against 8 real ones at that size; more of",
    ):
        assert words in text


def test_the_symmetries_say_what_to_switch_off(check: DataCheck) -> None:
    tests = [
        SymmetryTest("xflip", "mirrored left to right", 500, 0.51, 0.46, 0.56),
        SymmetryTest("rotate90", "turned by quarters", 500, 0.8, 0.75, 0.85),
        SymmetryTest("hue", "with their hues rotated", 500, 0.62, 0.57, 0.67),
    ]
    lines = dict(sections(replace(check, symmetries=tests)))["Symmetries"]
    assert "rotate90  turned by quarters" in lines[2]
    assert "told apart" in lines[2]
    assert "Nothing to leak: xflip." in lines[5]
    assert lines[-1] == "All of it off: --set augment.rotate90=0"
    assert sections(replace(check, symmetries=[]))[-2] == (
        "Symmetries",
        ["Too few images to tell."],
    )


def test_the_record_names_everything_and_is_json(check: DataCheck) -> None:
    record = json.loads(json.dumps(as_record(check)))
    assert record["images"] == 21
    assert record["effective_images"] == 17
    assert list(record["broken"]) == ["a/broken.png"]
    assert record["near_constant"] == ["a/blank.png"]
    assert record["jpeg_quality"] == {"a/near_06.jpg": 40}
    assert record["clusters_across_classes"] == [["a/00.png", "b/leaked_00.png"]]
    assert record["classes"] == {"a": 12, "b": 9}
    assert {pair["mirrored"] for pair in record["alike"]} == {True, False}


def test_where_images_were_made_smaller_it_is_told_at_which_size_frames_were_looked_for(
    tmp_path: Path,
) -> None:
    def pixel_section(side: int) -> list[str]:
        framed = [textured(index, side, side).copy() for index in range(4)]
        for image in framed:
            image[:1] = image[-1:] = image[:, :1] = image[:, -1:] = 255
        files = {f"{index}.png": encode(each) for index, each in enumerate(framed)}
        folder = write_folder(tmp_path / str(side), files)
        return dict(sections(checked(folder)))["Pixels"]

    assert pixel_section(256) == [
        "No near-constant or very dark images, and no frames of one colour (text is not looked for).",
        "Images were looked at as 32x32 px, where a frame thinner than a pixel is not seen; a larger --resolution"
        " looks closer.",
    ]
    (line,) = pixel_section(32)
    assert line.startswith("4 images have a frame of one colour")


@pytest.mark.parametrize(
    ("fit", "made_smaller"), [("crop", False), ("pad", True), ("stretch", True)]
)
def test_of_an_oblong_what_a_crop_leaves_has_not_become_smaller(
    fit: FitName, made_smaller: bool, tmp_path: Path
) -> None:
    shapes = [(40, 32), (32, 40), (36, 32), (32, 36)]
    files = {f"{at}.png": encode(textured(at, *shape)) for at, shape in enumerate(shapes)}
    found = checked(write_folder(tmp_path / "set", files), fit)
    assert found.images.resolution == (32, 32)
    assert found.made_smaller is made_smaller


def test_mirrored_twins_of_two_classes_are_told_and_called_no_copies(tmp_path: Path) -> None:
    files = {f"b/{index:02d}.png": encode(textured(index)) for index in range(6)}
    files |= {f"d/{index:02d}.png": encode(textured(index)[:, ::-1]) for index in range(2)}
    found = checked(write_folder(tmp_path / "set", files))
    assert dict(sections(found))["Copies"] == [
        "None, neither equal pixels nor near ones, nor mirrored.",
        "2 images mirror ones of other classes, which are not taken for copies (b and d are two letters):"
        " b/00.png = d/00.png; b/01.png = d/01.png.",
    ]
    assert as_record(found)["mirrored_across_classes"] == [
        ["b/00.png", "d/00.png"],
        ["b/01.png", "d/01.png"],
    ]


def test_of_a_set_without_files_none_are_said_to_be_left_out(check: DataCheck) -> None:
    for images, told in ((check.images, True), (replace(check.images, names=()), False)):
        copies = dict(sections(replace(check, images=images)))["Copies"]
        assert any("left without copies" in line for line in copies)
        assert any("--write" in line for line in copies) == told


def test_one_image_is_one(tmp_path: Path) -> None:
    for name in "ab":
        folder = tmp_path / "set" / name
        folder.mkdir(parents=True)
        Image.linear_gradient("L").save(folder / "same.png")
    text = as_text(checked(tmp_path / "set"))
    assert "1 image is left without copies." in text
    assert "2 classes of 1 image each." in text
