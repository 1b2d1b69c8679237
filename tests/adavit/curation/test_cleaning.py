import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from adavit.curation.check import check_data
from adavit.curation.cleaning import Cleaned, _content, check_cleanable, write_cleaned
from adavit.curation.source_set import open_set
from adavit.data import load_images
from adavit.data.files.formats import Unavailable
from adavit.data.reading import DEFAULT_READING, Reading
from adavit.errors import RunError, UserError
from adavit.runtime.console import SilentConsole
from tests.adavit.curation.conftest import textured
from tests.references.data_files import encode, write_folder


def cleaned(source: Path, out: Path, reading: Reading = DEFAULT_READING) -> Cleaned:
    with open_set(str(source), default_resolution_cap=32, reading=reading) as opened:
        found = check_data(opened, str(source), seed=0, console=SilentConsole())
        return write_cleaned(found, opened, out)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


LEFT_OUT = {
    "a/00.png",
    "b/leaked_00.png",
    "a/equal_02.png",
    "a/mirrored_04.png",
    "a/near_06.jpg",
    "a/blank.png",
    "a/broken.png",
}


def test_a_cleaned_folder_lacks_what_is_wrong_and_nothing_else(
    spoilt: Path, tmp_path: Path
) -> None:
    before = files_of(spoilt)
    made = cleaned(spoilt, tmp_path / "out")
    assert made == Cleaned(files=15, copies=3, doubtful=2, blank=1, unread=1, staying=0)
    kept = files_of(tmp_path / "out")
    assert kept == {name: content for name, content in before.items() if name not in LEFT_OUT}
    assert files_of(spoilt) == before
    assert load_images(str(tmp_path / "out")).classes == ("a", "b")


def test_mirrored_twins_of_two_classes_are_two_things_and_stay(tmp_path: Path) -> None:
    drawings = {f"b/{index:02d}.png": textured(index) for index in range(18)}
    drawings |= {f"d/{index:02d}.png": textured(index)[:, ::-1] for index in range(12)}
    drawings |= {f"d/{index}.png": textured(index) for index in range(18, 24)}
    source = write_folder(tmp_path / "in", {name: encode(each) for name, each in drawings.items()})
    made = cleaned(source, tmp_path / "out")
    assert made == Cleaned(files=36, copies=0, doubtful=0, blank=0, unread=0, staying=0)


def test_of_a_picture_in_two_classes_the_mirrored_copies_of_one_are_cleaned_as_others(
    tmp_path: Path,
) -> None:
    drawings = {
        "a/in_both.png": textured(0),
        "b/in_both.png": textured(0),
        "a/mirrored.png": textured(0)[:, ::-1],
        "a/mirrored_again.png": textured(0)[:, ::-1],
    }
    drawings |= {f"{index % 2}/{index}.png": textured(index) for index in range(2, 8)}
    source = write_folder(tmp_path / "in", {name: encode(each) for name, each in drawings.items()})
    made = cleaned(source, tmp_path / "out")
    assert (made.doubtful, made.copies) == (2, 1)
    assert not (tmp_path / "out/a/mirrored_again.png").exists()


def test_a_set_without_classes_has_none_without_the_copy_that_lies_beside_its_folders(
    tmp_path: Path,
) -> None:
    files = {f"{'ab'[index % 2]}/{index}.png": encode(textured(index)) for index in range(6)}
    folder = write_folder(tmp_path / "in", files | {"z.png": files["a/0.png"]})
    cleaned(folder, tmp_path / "out")
    assert not (tmp_path / "out/z.png").exists()
    assert load_images(str(tmp_path / "out")).classes == ()


def test_a_cleaned_zip_has_the_bytes_of_its_files(spoilt: Path, tmp_path: Path) -> None:
    before = files_of(spoilt)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name, content in before.items():
            archive.writestr(name, content)
    cleaned(tmp_path / "in.zip", tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    assert kept == {name: content for name, content in before.items() if name not in LEFT_OUT}


def test_a_png_whose_text_pillow_refuses_is_written_with_it(tmp_path: Path) -> None:
    text = PngInfo()
    text.add_text("parameters", "a" * (3 << 20), zip=True)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for index in range(3):
            archive.writestr(f"{index}.png", encode(textured(index), pnginfo=text))
        before = {name: archive.read(name) for name in archive.namelist()}
    cleaned(tmp_path / "in.zip", tmp_path / "out")
    assert files_of(tmp_path / "out") == before


def test_the_larger_of_two_is_kept_and_labels_stay(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    large = Image.fromarray(textured(1)).resize((80, 80))
    for index in range(2, 5):
        Image.fromarray(textured(index)).save(folder / f"{index}.png")
    large.resize((40, 40)).save(folder / "1_small.png")
    large.save(folder / "9_large.png")
    names = [path.name for path in sorted(folder.iterdir())]
    labels = {"labels": [[name, int(name == "4.png")] for name in names]}
    (folder / "dataset.json").write_text(json.dumps(labels))
    cleaned(folder, tmp_path / "out")
    kept = files_of(tmp_path / "out")
    assert set(kept) == {"2.png", "3.png", "4.png", "9_large.png", "dataset.json"}
    assert load_images(str(tmp_path / "out")).classes == ("0", "1")
    assert json.loads(kept["dataset.json"])["labels"] == [
        *(["2.png", 0], ["3.png", 0], ["4.png", 1], ["9_large.png", 0])
    ]


def test_images_in_files_that_stay_are_not_told_to_be_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    blank = Image.new("RGB", (40, 40), "red")
    several = [*map(Image.fromarray, map(textured, (0, 0, 0, 1))), blank]
    several[0].save(folder / "scan.tif", save_all=True, append_images=several[1:])
    blank.save(folder / "blank.gif", save_all=True, append_images=[Image.new("RGB", (40, 40))])
    for index in range(2, 7):
        Image.fromarray(textured(index)).save(folder / f"{index}.png")
    Image.fromarray(textured(0)).save(folder / "seen_in_scan.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    made = cleaned(folder, tmp_path / "out", Reading(frames="all"))
    assert set(files_of(tmp_path / "out")) == {"scan.tif", *(f"{at}.png" for at in range(2, 7))}
    assert made == Cleaned(files=6, copies=1, doubtful=0, blank=2, unread=1, staying=3)


def test_a_page_that_cannot_be_read_stays_with_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for index in range(4):
        Image.fromarray(textured(index)).save(folder / f"{index}.png")
    pages = [Image.fromarray(textured(index)) for index in (5, 6)]
    pages[1] = pages[1].convert("F")  # floating point, whose meaning is not defined
    pages[0].save(folder / "scan.tif", save_all=True, append_images=pages[1:])
    made = cleaned(folder, tmp_path / "out", Reading(frames="all"))
    assert made == Cleaned(files=5, copies=0, doubtful=0, blank=0, unread=0, staying=1)


def test_a_set_without_files_cannot_be_written(drawn_set: str, tmp_path: Path) -> None:
    with (
        open_set(drawn_set, resolution=16) as opened,
        pytest.raises(UserError, match=r"has no files, expected a folder or a zip"),
    ):
        check_cleanable(opened, "small_set", tmp_path / "out")


def test_a_set_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Image.new("RGB", (20, 20), "red").save(tmp_path / "set/1.png")
    with pytest.raises(UserError, match=r"no image of .* would be left"):
        cleaned(tmp_path / "set", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_can_no_longer_be_read_is_told() -> None:
    def gone() -> None:
        raise Unavailable("cannot be read (Input/output error)")

    file: Any = SimpleNamespace(name="a/1.png", open=gone)
    with pytest.raises(RunError, match=r"a/1\.png was read before, but cannot be read \(Input"):
        _content(file)


@pytest.mark.parametrize("out", ["cleaned", "cleaned.zip"])
def test_a_file_of_a_folder_that_has_gone_is_told_and_not_the_place(
    spoilt: Path, tmp_path: Path, out: str
) -> None:
    with open_set(str(spoilt), default_resolution_cap=32) as opened:
        found = check_data(opened, str(spoilt), seed=0, console=SilentConsole())
        (spoilt / "a/08.png").unlink()
        with pytest.raises(RunError, match=r"a/08\.png was read before, but cannot be read \(No"):
            write_cleaned(found, opened, tmp_path / out)
    assert not (tmp_path / out).exists()


def test_what_stands_in_a_set_twice_is_neither_unreadable_nor_said_to_stay(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for index in range(3):
            archive.writestr(f"{index}.png", encode(textured(index)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("0.png", encode(textured(0)))
    made = cleaned(tmp_path / "set.zip", tmp_path / "out")
    assert made == Cleaned(files=3, copies=0, doubtful=0, blank=0, unread=1, staying=0)
