import io
import json
import os
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.curation.crop_and_subset import crop, subset
from adavit.curation.cuts import Boxes, Centre, Cut, Tiles, Trim
from adavit.data import load_images
from adavit.data.files.decode import Decoded
from adavit.data.files.formats import NoReader
from adavit.data.reading import Scale16Bit
from adavit.errors import RunError, UserError
from adavit.runtime.console import SilentConsole
from adavit.runtime.drawn_images import drawn_png
from tests.adavit.curation.conftest import textured
from tests.references.data_files import encode, write_folder

CONSOLE = SilentConsole()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_cut_images_are_png_under_their_names_and_classes(spoilt: Path, tmp_path: Path) -> None:
    made = crop(str(spoilt), Centre(), tmp_path / "out", console=CONSOLE)
    assert made.written == 21
    assert [each.name for each in made.skipped] == ["a/broken.png"]
    assert {"a/02.png", "a/near_06.png", "b/leaked_00.png"} <= set(names(tmp_path / "out"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/a/02.png")), textured(2))
    assert load_images(str(tmp_path / "out")).classes == ("a", "b")


def test_a_photograph_is_cut_as_it_is_seen(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pixels = textured(0, 24, 40)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter clockwise
    Image.fromarray(pixels).save(tmp_path / "in/a.png", exif=turned)
    boxes = Boxes(Path("boxes.csv"), {"a.png": [(2, 30, 20, 9)]})
    crop(str(tmp_path / "in"), boxes, tmp_path / "out", console=CONSOLE)
    seen = np.rot90(pixels, -1)  # 24 px wide, 40 px high
    found = np.asarray(Image.open(tmp_path / "out/a.png"))
    np.testing.assert_array_equal(found, seen[30:39, 2:22])


def test_parts_whose_names_meet_are_numbered_and_none_is_lost(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.gif", "a.jpg", "a_00.jpg"):
        Image.fromarray(textured(0)).save(tmp_path / "in" / name)
    both = [(0, 0, 9, 9), (9, 9, 9, 9)]
    boxes = Boxes(Path("boxes.csv"), {"a.gif": both, "a.jpg": both, "a_00.jpg": both[:1]})
    made = crop(str(tmp_path / "in"), boxes, tmp_path / "out", console=CONSOLE)
    assert made.written == 5
    assert names(tmp_path / "out") == [
        *("a_00.jpg.png", "a_00.jpg_2.png", "a_00.png", "a_01.jpg.png", "a_01.png")
    ]


def test_labels_of_a_file_are_kept(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for index in range(4):
            buffer = io.BytesIO()
            Image.fromarray(textured(index)).save(buffer, format="PNG")
            archive.writestr(f"set/{index}.png", buffer.getvalue())
        labels = {"labels": [[f"{index}.png", index % 2] for index in range(4)]}
        archive.writestr("set/dataset.json", json.dumps(labels))
    source = str(tmp_path / "in.zip")
    crop(source, Tiles(20), tmp_path / "tiles", console=CONSOLE)
    tiles = load_images(str(tmp_path / "tiles"))
    assert len(tiles) == 16
    assert tiles.classes == ("0", "1")
    assert tiles.labels is not None
    assert tiles.labels.tolist() == [0] * 4 + [1] * 4 + [0] * 4 + [1] * 4
    subset(source, 3, tmp_path / "few", seed=0, balanced=False, console=CONSOLE)
    few = load_images(str(tmp_path / "few"))
    assert few.labels is not None
    kept = [int(Path(name).stem) % 2 for name in few.names]
    assert few.labels.tolist() == kept


@pytest.mark.parametrize("seen", [None, (), ("torchvision:resnet18 " + 64 * "0",)])
@pytest.mark.parametrize("out", ["out", "out.zip"])
@pytest.mark.parametrize("command", ["crop", "subset"])
def test_images_of_a_generator_go_on_saying_what_its_discriminator_saw(
    tmp_path: Path, command: str, out: str, seen: tuple[str, ...] | None
) -> None:
    (tmp_path / "in").mkdir()
    for index in range(4):
        image, path = Image.fromarray(textured(index)), tmp_path / f"in/{index}.png"
        if seen is None:
            image.save(path)
        else:
            path.write_bytes(drawn_png(image, seen))
    if command == "crop":
        crop(str(tmp_path / "in"), Tiles(20), tmp_path / out, console=CONSOLE)
    else:
        subset(str(tmp_path / "in"), 3, tmp_path / out, seed=0, balanced=False, console=CONSOLE)
    assert load_images(str(tmp_path / out)).discriminator_saw == seen


@pytest.fixture(params=["folders", "dataset.json"])
def without_classes(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Four images in each of two folders, and one beside them; or as many that dataset.json labels, and one not."""
    folder = tmp_path / "in"
    labelled = [f"{kind}/{index}.png" for kind in "ab" for index in range(4)]
    files = {name: encode(textured(at)) for at, name in enumerate([*labelled, "beside.png"])}
    if request.param == "dataset.json":
        labels = [[name, int(name.startswith("b"))] for name in labelled]
        files["dataset.json"] = json.dumps({"labels": labels}).encode()
    assert load_images(str(write_folder(folder, files))).classes == ()
    return folder


@pytest.mark.parametrize("command", ["crop", "subset"])
def test_a_set_without_classes_has_none_where_what_hindered_them_is_not_taken(
    without_classes: Path, tmp_path: Path, command: str
) -> None:
    source, out = str(without_classes), tmp_path / "out"
    if command == "crop":
        boxes = {f"{kind}/0.png": [(0, 0, 9, 9)] for kind in "ab"}
        crop(source, Boxes(Path("boxes.csv"), boxes), out, console=CONSOLE)
    else:
        subset(source, 5, out, seed=1, balanced=False, console=CONSOLE)
    assert not (out / "beside.png").exists()
    assert load_images(str(out)).classes == ()


def test_a_broken_image_beside_the_folders_hinders_no_classes(tmp_path: Path) -> None:
    files = {"a/0.png": encode(textured(0)), "b/1.png": encode(textured(1)), "beside.png": b"no"}
    folder = write_folder(tmp_path / "in", files)
    crop(str(folder), Centre(), tmp_path / "out", console=CONSOLE)
    assert names(tmp_path / "out") == ["a/0.png", "b/1.png"]
    assert load_images(str(tmp_path / "out")).classes == ("a", "b")


def test_what_leaves_nothing_is_refused(spoilt: Path, tmp_path: Path) -> None:
    words = r"gave no part of an image \(22 files were skipped: a/broken.png is .*; a/00.png gave no part;"
    with pytest.raises(UserError, match=f"{words}.*smaller tiles"):
        crop(str(spoilt), Tiles(64), tmp_path / "out", console=CONSOLE)
    broken = Boxes(Path("boxes.csv"), {"a/broken.png": [(0, 0, 9, 9)]})
    with pytest.raises(UserError, match=f"{words}.*boxes of files that can be read"):
        crop(str(spoilt), broken, tmp_path / "out", console=CONSOLE)
    (tmp_path / "none").mkdir()
    with pytest.raises(
        UserError, match=r"^'.*none' has no image that can be read \(it has no files"
    ):
        crop(str(tmp_path / "none"), Centre(), tmp_path / "out", console=CONSOLE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cut", [Tiles(8), Centre(), Boxes(Path("boxes.csv"), {}), Trim()])
def test_what_cannot_be_read_is_told_with_its_reasons(
    cut: Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    files = {"a.png": b"", "b.png": b"nothing", "c.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"}
    folder = write_folder(tmp_path / "in", files)
    with pytest.raises(UserError) as raised:
        crop(str(folder), cut, tmp_path / "out", console=CONSOLE)
    message = str(raised.value)
    assert message.startswith(f"'{folder}' has no image that can be read (3 files were skipped:")
    assert "a.png is empty (0 bytes); b.png is not a PNG, JPEG" in message
    assert "pip install pillow-heif" in message
    with pytest.raises(UserError) as loaded:
        load_images(str(folder))
    assert str(loaded.value) == f"data.source {message}"


def test_a_subset_is_drawn_by_its_seed(spoilt: Path, tmp_path: Path) -> None:
    def drawn(out: str, seed: int, balanced: bool = False) -> list[str]:
        subset(str(spoilt), 8, tmp_path / out, seed=seed, balanced=balanced, console=CONSOLE)
        return names(tmp_path / out)

    first = drawn("first", 0)
    assert len(first) == 8
    assert drawn("again", 0) == first
    assert drawn("other", 1) != first
    even = drawn("even", 0, balanced=True)
    assert Counter(name[0] for name in even) == {"a": 4, "b": 4}
    name = first[0]
    original = np.asarray(Image.open(spoilt / name).convert("RGB"))
    kept = np.asarray(Image.open(tmp_path / "first" / name).convert("RGB"))
    np.testing.assert_array_equal(kept, original)


def test_a_drawn_set_becomes_files_in_folders(drawn_set: str, tmp_path: Path) -> None:
    made = subset(drawn_set, 20, tmp_path / "few.zip", seed=0, balanced=True, console=CONSOLE)
    assert made.written == 20
    images = load_images(str(tmp_path / "few.zip"))
    assert images.labels is not None
    assert np.bincount(images.labels).tolist() == [2] * 10


@pytest.mark.parametrize(("cut", "each"), [(Centre(), 1), (Tiles(16), 4)])
def test_parts_of_a_named_set_lie_in_folders_of_their_classes(
    drawn_set: str, tmp_path: Path, cut: Cut, each: int
) -> None:
    crop(drawn_set, cut, tmp_path / "cut", console=CONSOLE)
    whole, parts = load_images(drawn_set), load_images(str(tmp_path / "cut"))
    assert whole.labels is not None
    assert parts.labels is not None
    assert sorted(parts.classes) == sorted(whole.classes)
    kinds = {f"{at:05d}": whole.classes[kind] for at, kind in enumerate(whole.labels.tolist())}
    assert len(parts) == 60 * each
    for name, kind in zip(parts.names, parts.labels.tolist(), strict=True):
        assert parts.classes[kind] == kinds[Path(name).stem[:5]]


@pytest.mark.parametrize(
    ("count", "balanced", "words"),
    [(99, False, "--count asks for 99"), (20, True, "expected at most 19 in all")],
)
def test_more_than_there_is_is_refused(
    spoilt: Path, tmp_path: Path, count: int, balanced: bool, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        subset(str(spoilt), count, tmp_path / "out", seed=0, balanced=balanced, console=CONSOLE)
    assert not (tmp_path / "out").exists()


def test_files_of_several_images_are_counted_among_those_that_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for index in range(4):
        pages = [Image.fromarray(textured(10 * index + page)) for page in range(index + 1)]
        pages[0].save(tmp_path / f"in/{index}.tif", save_all=True, append_images=pages[1:])
    made = subset(
        str(tmp_path / "in"), 2, tmp_path / "out", seed=0, balanced=False, console=CONSOLE
    )
    drawn = [int(Path(name).stem) for name in names(tmp_path / "out")]
    assert made.frames == [index + 1 for index in drawn if index]
    for index in drawn:
        found = np.asarray(Image.open(tmp_path / f"out/{index}.png"))
        np.testing.assert_array_equal(found, textured(10 * index))


def test_as_many_as_a_balanced_draw_is_said_to_have_can_be_drawn(
    spoilt: Path, tmp_path: Path
) -> None:
    drawn = subset(str(spoilt), 19, tmp_path / "out", seed=0, balanced=True, console=CONSOLE)
    assert drawn.written == 19


def test_a_file_that_can_no_longer_be_read_is_named(
    spoilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_images(str(spoilt))  # as it was when all could be read

    def missing(*_: object) -> Decoded:
        raise NoReader("HEIF", "a HEIC", "pillow-heif")

    monkeypatch.setattr("adavit.curation.crop_and_subset.decode_whole", missing)
    with pytest.raises(RunError, match=r"was read before, but is a HEIC image, .* pillow-heif"):
        subset(str(spoilt), 3, tmp_path / "out", seed=0, balanced=False, console=CONSOLE)
    assert not (tmp_path / "out").exists()


def test_a_set_without_classes_cannot_be_balanced(spoilt: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no classes"):
        subset(str(spoilt / "a"), 2, tmp_path / "out", seed=0, balanced=True, console=CONSOLE)


@pytest.mark.parametrize("command", ["crop", "subset"])
@pytest.mark.parametrize(("scale", "white"), [("auto", 65535), ("full", 65535), ("set", 4095)])
def test_samples_of_12_bits_become_levels_by_the_white_that_was_asked_for(
    tmp_path: Path, command: str, scale: Scale16Bit, white: int
) -> None:
    samples = np.random.default_rng(0).permutation(np.arange(25, 3930).repeat(2))[: 4 * 40 * 40]
    samples = samples.astype(np.uint16).reshape(4, 40, 40)
    samples[3, 0, 0] = 3929  # of the whole set, whichever images are drawn
    (tmp_path / "in").mkdir()
    for index, each in enumerate(samples):
        Image.fromarray(each).save(tmp_path / f"in/{index}.png")
    source, out = str(tmp_path / "in"), tmp_path / "out"
    if command == "crop":
        made = crop(source, Centre(), out, console=CONSOLE, scale_16bit=scale)
    else:
        made = subset(source, 2, out, seed=0, balanced=False, console=CONSOLE, scale_16bit=scale)
    levels: set[int] = set()
    for name in names(out):
        found = np.asarray(Image.open(out / name))
        wanted = np.rint(samples[int(Path(name).stem)] * 255.0 / white)
        np.testing.assert_array_equal(found, wanted)
        levels |= set(found.ravel().tolist())
    assert len(levels) == (244 if scale == "set" else 16)
    (note,) = made.notes
    assert f"{made.written} images have more than 8 bits" in note
    assert f"white is {white:,} (--scale-16bit {scale})" in note
    assert ("--scale-16bit set makes 4,095 white" in note) == (scale != "set")


@pytest.mark.skipif(os.name == "nt", reason="no file is called so there")
def test_of_files_whose_names_are_shown_alike_each_is_drawn_as_itself(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    colours = {"a\n.png": (255, 0, 0), "a\\n.png": (0, 0, 255)}
    for name, colour in colours.items():
        Image.new("RGB", (8, 8), colour).save(tmp_path / "in" / name)
    subset(str(tmp_path / "in"), 2, tmp_path / "out", seed=0, balanced=False, console=CONSOLE)
    drawn = [Image.open(path).getpixel((3, 3)) for path in (tmp_path / "out").iterdir()]
    assert sorted(map(str, drawn)) == sorted(map(str, colours.values()))
