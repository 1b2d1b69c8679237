import errno
import io
import itertools
import json
import os
import re
import signal
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.curation.check import check_data
from adavit.curation.cleaning import check_cleanable, write_cleaned
from adavit.curation.crop_and_subset import crop, subset
from adavit.curation.cuts import Centre, Cut, Tiles
from adavit.curation.source_set import open_set
from adavit.curation.written_names import NameRules
from adavit.curation.written_set import check_names, check_target, png_of, written_set
from adavit.data import load_images
from adavit.data.image_set import ImageSet
from adavit.errors import RunError, UserError
from adavit.runtime.console import SilentConsole
from adavit.runtime.signals import Stopped
from tests.adavit.curation.conftest import textured


def planes(alpha: int = 255) -> np.ndarray:
    colour = textured(1, 6, 9).transpose(2, 0, 1)
    return np.concatenate([colour, np.full((1, 6, 9), alpha, np.uint8)])


TILES = Tiles(20)


def write_by(command: str, source: Path, out: Path, cut: Cut = TILES) -> None:
    """All of a set, by a command of `adavit data`."""
    console = SilentConsole()
    if command == "crop":
        crop(str(source), cut, out, console=console)
        return
    with open_set(str(source), default_resolution_cap=16) as opened:
        if command == "check":
            check_cleanable(opened, str(source), out)
            found = check_data(opened, str(source), seed=0, console=console)
            write_cleaned(found, opened, out)
            return
    subset(str(source), len(opened.images), out, seed=0, balanced=False, console=console)


@pytest.mark.parametrize("target", ["new", "empty", "set.zip"])
def test_a_set_appears_when_it_is_complete(tmp_path: Path, target: str) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / target
    with written_set(out, "--out", "elsewhere") as writer:
        writer.add("a/1.bin", b"one")
        assert writer.add_image("a/b.jpg", planes(), None) == "a/b.png"
        assert writer.add_image("a/b.webp", planes(100), None) == "a/b.webp.png"
        writer.add_labels({"a/b.png": 3})
        assert not out.exists() or not any(out.iterdir())
    if out.suffix:
        with zipfile.ZipFile(out) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
    else:
        files = [path for path in out.rglob("*") if path.is_file()]
        found = {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
    assert set(found) == {"a/1.bin", "a/b.png", "a/b.webp.png", "dataset.json"}
    assert json.loads(found["dataset.json"]) == {"labels": [["a/b.png", 3]]}
    image = Image.open(io.BytesIO(found["a/b.png"]))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), planes()[:3].transpose(1, 2, 0))
    assert sorted(path.name for path in tmp_path.iterdir() if "partial" in path.name) == []


@pytest.mark.parametrize("content", ['{"labels": null}', '{"labels": []}', "{}", "no JSON", "half"])
@pytest.mark.parametrize("command", ["check", "crop", "subset"])
def test_folders_become_no_classes_where_a_file_of_labels_gives_none(
    tmp_path: Path, command: str, content: str
) -> None:
    source, out = tmp_path / "source", tmp_path / "out.zip"
    for number in range(6):
        path = source / f"0000{number // 3}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(textured(number)).save(path)
    half = json.dumps({"labels": [["00000/elsewhere.png", 0], ["00000/far.png", 1]]})
    (source / "dataset.json").write_text(half if content == "half" else content)
    write_by(command, source, out)
    assert load_images(str(source)).classes == ()
    made = load_images(str(out))
    assert {name[:5] for name in made.names} == {"00000", "00001"}
    assert made.classes == ()


@pytest.mark.parametrize("target", ["new", "set.zip"])
def test_no_two_images_get_one_name_on_any_system(tmp_path: Path, target: str) -> None:
    given = ["a.gif", "a.jpg", "a.jpg.gif", "a.webp", "a.jpg.webp", "a.jpg", "a.jpg"]
    given += ["A.png", "caf\u00e9.png", "cafe\u0301.bmp", "CAF\u00c9.png", "b/a.png", "B/A.png"]
    with written_set(tmp_path / target, "--out", "elsewhere") as writer:
        written = [writer.add_image(name, planes(), None) for name in given]
    assert written[:5] == ["a.png", "a.jpg.png", "a.jpg.gif.png", "a.webp.png", "a.jpg.webp.png"]
    assert written[5:8] == ["a.jpg_2.png", "a.jpg_3.png", "A.png.png"]
    assert written[8:11] == ["caf\u00e9.png", "cafe\u0301.bmp.png", "CAF\u00c9.png.png"]
    assert written[11:] == ["b/a.png", "B/A.png.png"]


def test_files_that_only_case_tells_apart_are_written_as_they_are(tmp_path: Path) -> None:
    with written_set(tmp_path / "set.zip", "--write", "elsewhere") as writer:
        writer.add("a.png", b"one")
        writer.add("A.png", b"two")
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        assert archive.namelist() == ["a.png", "A.png"]


@pytest.mark.parametrize("target", ["new", "set.zip"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_a_set_that_is_stopped(
    tmp_path: Path, target: str, number: signal.Signals
) -> None:
    def stop() -> None:
        with written_set(tmp_path / target, "--out", "elsewhere") as writer:
            writer.add("a/1.bin", b"one")
            assert any(tmp_path.iterdir())
            signal.raise_signal(number)

    with pytest.raises(Stopped) as caught:
        stop()
    assert caught.value.signal_number == number
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["new", "empty", "set.zip"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_nothing_is_left_of_a_set_that_is_not_complete(
    tmp_path: Path, target: str, error: type[BaseException]
) -> None:
    (tmp_path / "empty").mkdir()

    def fail() -> None:
        with written_set(tmp_path / target, "--out", "elsewhere") as writer:
            writer.add("a/1.bin", b"one")
            raise error

    with pytest.raises(error):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert not any((tmp_path / "empty").iterdir())


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"could not be written \(No space"),
        written_set(tmp_path / "new", "--out", "elsewhere"),
    ):
        raise OSError(28, "No space left on device")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free some space, or choose another disk."),
        (errno.EDQUOT, "Free some space, or choose another disk."),
        (errno.ENAMETOOLONG, "Choose a shorter path, or write to a .zip."),
        (errno.EROFS, "Change the permissions, or choose another place."),
        (errno.EIO, "Look at the disk and its connection, or choose another place."),
        (None, "Look at the disk and its connection, or choose another place."),
    ],
)
def test_what_to_do_is_what_helps(tmp_path: Path, number: int | None, remedy: str) -> None:
    error = OSError("odd") if number is None else OSError(number, os.strerror(number))
    with (
        pytest.raises(RunError, match=rf"\((?!None).+\).*{re.escape(remedy)}$"),
        written_set(tmp_path / "new", "--out", "elsewhere"),
    ):
        raise error


def test_a_folder_whose_name_is_too_long_needs_a_shorter_one(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"name too long.*Choose a shorter path"),
        written_set(tmp_path / ("a" * 250), "--out", "elsewhere"),
    ):
        pass


def test_an_empty_folder_gives_way_on_windows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def as_on_windows(old: Path, new: Path) -> None:
        if os.path.isdir(new):
            raise PermissionError(errno.EACCES, "Access is denied")
        replace(old, new)

    monkeypatch.setattr(os, "replace", as_on_windows)
    (tmp_path / "empty").mkdir()
    with written_set(tmp_path / "empty", "--out", "elsewhere") as writer:
        writer.add("1.bin", b"one")
    assert (tmp_path / "empty/1.bin").read_bytes() == b"one"


def test_a_folder_that_is_no_longer_empty_is_left_alone(tmp_path: Path) -> None:
    def write() -> None:
        with written_set(tmp_path / "out", "--out", "elsewhere") as writer:
            writer.add("1.bin", b"one")
            (tmp_path / "out/mine.txt").write_text("mine")

    (tmp_path / "out").mkdir()
    with pytest.raises(RunError, match=r"--out .* could not be written"):
        write()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]


def test_links_share_what_they_lead_to_and_leave_it_alone(tmp_path: Path) -> None:
    original = tmp_path / "original.png"
    original.write_bytes(b"pixels")
    with written_set(tmp_path / "new", "--write", "elsewhere") as writer:
        writer.link("a/linked.png", original)
    assert (tmp_path / "new/a/linked.png").read_bytes() == b"pixels"
    assert os.path.samefile(original, tmp_path / "new/a/linked.png")


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "a/../../out.png", ""])
def test_no_name_leads_out(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(AssertionError),
        written_set(tmp_path / "new", "--out", "elsewhere") as writer,
    ):
        writer.add(name, b"")
    assert not any(tmp_path.iterdir())


def test_places_that_are_taken_or_inside_the_source_are_refused(tmp_path: Path) -> None:
    source, full = tmp_path / "source", tmp_path / "full"
    for folder in (source, full):
        folder.mkdir()
        (folder / "1.png").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "old.zip").write_bytes(b"")
    for target, words in (
        (source, "lies inside the images"),
        (source / "below/out", "lies inside the images"),
        (full, "is there already, expected a new or an empty folder"),
        (tmp_path / "file", "is there already"),
        (tmp_path / "old.zip", "expected a zip that is not there yet"),
        (tmp_path / "file/out", "cannot be made"),
    ):
        with pytest.raises(UserError, match=words):
            check_target(target, "--out", str(source))
    check_target(tmp_path / "source2", "--out", str(source))


@pytest.mark.parametrize("leads_to", ["an empty folder", "nothing yet"])
def test_a_set_lands_where_a_link_leads(tmp_path: Path, leads_to: str) -> None:
    place = tmp_path / "elsewhere" / "place"
    (place if leads_to == "an empty folder" else place.parent).mkdir(parents=True)
    (tmp_path / "link").symlink_to(place)
    with written_set(tmp_path / "link", "--out", "source") as writer:
        writer.add("1.bin", b"one")
    assert (tmp_path / "link").is_symlink()
    assert (place / "1.bin").read_bytes() == b"one"
    assert [path.name for path in place.parent.iterdir()] == ["place"]


def test_a_set_can_be_written_to_the_empty_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with written_set(Path(), "--out", "elsewhere") as writer:
        writer.add("1.bin", b"one")
    assert (tmp_path / "here/1.bin").read_bytes() == b"one"


def test_where_a_disk_is_mounted_no_folder_can_be_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == (tmp_path / "disk").resolve())
    with pytest.raises(UserError, match=r"disk' is where a disk is mounted.* Name a new one in it"):
        check_target(tmp_path / "disk", "--out", "elsewhere")
    check_target(tmp_path / "disk/new", "--out", "elsewhere")


def test_names_that_a_zip_cannot_hold_are_refused_for_a_zip_alone(tmp_path: Path) -> None:
    names = ["fine/ü.png", os.fsdecode(b"caf\xe9.png")]
    check_names(names, tmp_path / "folder", "--out")
    check_names(names[:1], tmp_path / "set.ZIP", "--out")
    with pytest.raises(
        UserError, match=r"cannot hold the file 'caf\\udce9\.png', .* Write to a folder"
    ):
        check_names(names, tmp_path / "set.ZIP", "--out")


def make_set(names: list[str], at: Path) -> None:
    """Images of 40 px in two classes by dataset.json, in a folder or a zip."""
    files = {name: io.BytesIO() for name in names}
    for number, content in enumerate(files.values()):
        Image.fromarray(textured(number)).save(content, format="PNG")
    labels = [[name, number % 2] for number, name in enumerate(names)]
    files["dataset.json"] = io.BytesIO(json.dumps({"labels": labels}).encode())
    for name, content in files.items():
        if at.suffix:
            with zipfile.ZipFile(at, "a") as archive:
                archive.writestr(name, content.getvalue())
        else:
            (at / name).parent.mkdir(parents=True, exist_ok=True)
            (at / name).write_bytes(content.getvalue())


def tiles_of(images: ImageSet, side: int) -> list[tuple[bytes, str | None]]:
    """Pixels and class of each tile of each image."""
    found = []
    for index, image in enumerate(images.images):
        kind = None if images.labels is None else images.classes[int(images.labels[index])]
        corners = itertools.product(range(0, image.shape[1], side), repeat=2)
        found += [(image[:, y : y + side, x : x + side].tobytes(), kind) for y, x in corners]
    return sorted(found)


LONG = "L" * 250
OF_FOLDERS = ["A:1.png", "b/c:2.png", f"{LONG}.png", "x.jpg", "x.png/3.png", "z/z.png"]
OF_ZIPS = [
    "b/c:2.png",
    f"{LONG}{LONG}.png",
    f"{LONG}{LONG}/3.png",
    "x.jpg",
    "x.png/4.png",
    "z",
    "z/5",
]


@pytest.mark.skipif(os.name == "nt", reason="no file is called so there")
@pytest.mark.parametrize("command", ["check", "crop", "subset"])
@pytest.mark.parametrize(("source", "names"), [("in", OF_FOLDERS), ("in.zip", OF_ZIPS)])
@pytest.mark.parametrize("out", ["out", "out.zip"])
def test_every_image_is_read_again_with_its_class_whatever_its_name(
    tmp_path: Path, command: str, source: str, names: list[str], out: str
) -> None:
    make_set(names, tmp_path / source)
    write_by(command, tmp_path / source, tmp_path / out)
    before = load_images(str(tmp_path / source), resolution=40)
    assert len(before) == len(names)
    side = 20 if command == "crop" else 40
    made = load_images(str(tmp_path / out), resolution=side)
    assert made.skipped == ()
    assert tiles_of(made, side) == tiles_of(before, side)
    folders = [
        {name.rpartition("/")[0] for name in each.names if len(name) < 256}
        for each in (before, made)
    ]
    assert folders[0] <= folders[1]
    parts = [part for name in made.names for part in name.split("/")]
    assert max(len(os.fsencode(part)) for part in parts) <= 255


@pytest.mark.skipif(os.name == "nt", reason="no file is called so there")
@pytest.mark.parametrize("command", ["check", "crop", "subset"])
def test_a_backslash_leads_into_no_folder_of_a_zip(tmp_path: Path, command: str) -> None:
    make_set(["x\\y.png", "w.png"], tmp_path / "in")
    write_by(command, tmp_path / "in", tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        found = {name for name in archive.namelist() if name != "dataset.json"}
    assert {name[:3] for name in found} == {"x_y", "w_y" if command == "crop" else "w.p"}


@pytest.mark.parametrize("command", ["check", "crop", "subset"])
def test_windows_is_given_no_name_that_leads_to_a_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("adavit.curation.written_set.FOLDER", NameRules(":"))
    make_set(["a/b:c.png", "a/d_e.png"], tmp_path / "in.zip")
    write_by(command, tmp_path / "in.zip", tmp_path / "out")
    assert {path.name[:3] for path in (tmp_path / "out/a").iterdir()} == {"b_c", "d_e"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all names are Unicode")
@pytest.mark.parametrize("command", ["check", "crop", "subset"])
def test_a_name_that_is_not_unicode_is_told_before_anything_is_written(
    tmp_path: Path, command: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number, name in enumerate([b"a.png", b"b.png", b"caf\xe9.png"]):
        (source / os.fsdecode(name)).write_bytes(png_of(planes()[:, :, number:]))

    with pytest.raises(UserError, match=r"'caf\\udce9\.png', whose name is not UTF-8"):
        write_by(command, source, tmp_path / "out.zip", Centre())
    assert {path.name for path in tmp_path.iterdir()} <= {"cache", "source"}
    write_by(command, source, tmp_path / "out", Centre())
    assert os.fsdecode(b"caf\xe9.png") in os.listdir(tmp_path / "out")


@pytest.mark.parametrize(("mode", "alpha", "grey"), [("L", 255, True), ("RGBA", 9, False)])
def test_a_png_has_the_channels_that_its_image_needs(mode: str, alpha: int, grey: bool) -> None:
    image = planes(alpha)
    if grey:
        image[:3] = image[:1]
    opened = Image.open(io.BytesIO(png_of(image)))
    assert opened.mode == mode
    np.testing.assert_array_equal(np.asarray(opened.convert("RGBA")), image.transpose(1, 2, 0))
