import json
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from adavit.errors import UserError
from tests.cli.conftest import Adavit


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for index in range(10):
        folder = tmp_path / "photos" / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        coarse = random.integers(40, 216, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((24, 32)).save(folder / f"{index}.png")
    (tmp_path / "photos/a/copy.png").write_bytes((tmp_path / "photos/a/0.png").read_bytes())
    (tmp_path / "photos/a/broken.png").write_bytes(b"")
    return tmp_path / "photos"


def test_check_prints_and_writes_what_it_was_asked_for(adavit: Adavit, photos: Path) -> None:
    outcome = adavit(
        *("data", "check", photos, "--html", "check.html", "--json", "check.json"),
        *("--write", "clean", "-q"),
    )
    assert outcome.code == 0, outcome.err
    assert "11 images, 10 without copies; 1 file left out." in outcome.out
    assert "1 image equals an earlier one: a/0.png = a/copy.png." in outcome.out
    assert "Wrote 10 files to clean; left out 1 copy, 0 that stand in several" in outcome.out
    assert Path("check.html").read_text().startswith("<!doctype html>")
    assert json.loads(Path("check.json").read_text())["effective_images"] == 10
    assert len(list(Path("clean").rglob("*.png"))) == 10
    assert len(list(photos.rglob("*.png"))) == 12


def test_what_check_found_is_told_where_nothing_can_be_written_of_it(
    adavit: Adavit, tmp_path: Path
) -> None:
    (tmp_path / "grey").mkdir()
    for index in range(4):
        Image.new("RGB", (16, 16), (60 * index,) * 3).save(tmp_path / "grey" / f"{index}.png")
    written = ("--html", "check.html", "--json", "check.json", "--write", "clean")
    outcome = adavit("data", "check", tmp_path / "grey", *written)
    assert outcome.code == 2
    assert "4 images, none of them copies." in outcome.out
    assert "Look at what the check says of it" in outcome.err
    assert Path("check.html").exists()
    assert Path("check.json").exists()
    assert not Path("clean").exists()


def test_copies_in_a_file_that_stays_are_told(adavit: Adavit, photos: Path) -> None:
    pages = [Image.open(photos / f"a/{number}.png") for number in (2, 2, 4, 4)]
    pages[0].save(photos / "a/scan.tif", save_all=True, append_images=pages[1:])
    new = Image.fromarray(np.arange(24 * 32 * 3, dtype=np.uint8).reshape(32, 24, 3))
    new.save(photos / "a/film.gif", save_all=True, append_images=[Image.new("RGB", (24, 32))])
    outcome = adavit(
        *("data", "check", photos, "--frames", "all", "--write", "clean.zip", "--seed", 1, "-q")
    )
    assert outcome.code == 0, outcome.err
    assert outcome.out.endswith(
        "Wrote 11 files to clean.zip; left out 5 copies, 0 that stand in several classes, 0 of one"
        " colour, 1 that the set leaves out itself.\n1 such image stays, in files that have others to train on.\n"
    )


def test_crop_cuts_in_one_of_four_ways(adavit: Adavit, photos: Path) -> None:
    Path("boxes.csv").write_text("file,left,top,width,height\na/0.png,2,3,10,11\n")
    for out, size, count, flags in (
        ("centre", (24, 24), 11, ["--centre"]),
        ("tiles", (8, 8), 11 * 12, ["--tiles", "8"]),
        ("faces", (10, 11), 1, ["--faces-like", "boxes.csv"]),
        ("trim", (24, 32), 11, ["--trim"]),
    ):
        outcome = adavit("data", "crop", photos, *flags, "--out", out)
        assert outcome.code == 0, outcome.err
        assert f"Wrote {count} image{'s' * (count > 1)} to {out}." in outcome.out
        assert "Left out: a/broken.png" in outcome.out or out == "faces"
        assert {Image.open(path).size for path in Path(out).rglob("*.png")} == {size}


@pytest.mark.parametrize("arguments", [["crop", "--centre"], ["subset", "--count", 13]])
def test_that_the_first_page_alone_is_taken_is_told(
    adavit: Adavit, photos: Path, arguments: list[object]
) -> None:
    command, *flags = arguments
    assert "pages" not in adavit("data", "crop", photos, "--centre", "--out", "plain").out
    pages = [Image.new("RGB", (24, 32), colour) for colour in ("red", "green", "blue")]
    pages[0].save(photos / "a/scan.tif", save_all=True, append_images=pages[1:])
    pages[0].save(photos / "b/film.gif", save_all=True, append_images=pages[1:2])
    outcome = adavit("data", command, photos, *flags, "--out", "out", "-q")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(
        "Wrote 13 images to out.\nFound 5 frames or pages in 2 files; the first of each is used.\n"
    )
    assert Image.open("out/a/scan.png").getpixel((3, 3)) == (255, 0, 0)


@pytest.mark.parametrize("arguments", [["crop", "--centre"], ["subset", "--count", 4]])
def test_the_white_of_a_set_can_be_asked_for_and_is_told(
    adavit: Adavit, tmp_path: Path, arguments: list[object]
) -> None:
    (tmp_path / "cells").mkdir()
    for index in range(4):
        samples = np.linspace(25, 3929, 24 * 24).astype(np.uint16).reshape(24, 24)
        Image.fromarray(samples).save(tmp_path / f"cells/{index}.png")
    command, *flags = arguments
    plain = adavit("data", command, tmp_path / "cells", *flags, "--out", "plain", "-q")
    assert plain.out.endswith("--scale-16bit set makes 4,095 white.\n")
    asked = ("--out", "deep", "--scale-16bit", "set", "-q")
    deep = adavit("data", command, tmp_path / "cells", *flags, *asked)
    assert deep.code == 0, deep.err
    assert deep.out.endswith("white is 4,095 (--scale-16bit set).\n")
    for out, brightest in (("plain", 15), ("deep", 245)):
        assert np.asarray(Image.open(f"{out}/3.png")).max() == brightest


def test_subset_draws_by_seed_and_class(adavit: Adavit, photos: Path) -> None:
    outcome = adavit("data", "subset", photos, "--count", 4, "--balanced", "--out", "few", "-q")
    assert outcome.code == 0, outcome.err
    assert "Wrote 4 images to few." in outcome.out
    assert [len(list(Path("few").glob(f"{name}/*.png"))) for name in "ab"] == [2, 2]


@pytest.mark.parametrize("arguments", [["crop", "--centre"], ["subset", "--count", 2]])
def test_a_named_set_is_read_from_where_its_files_lie(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch, arguments: list[object]
) -> None:
    def open_name(source: str, data_root: Path, side_px: int | None) -> NoReturn:
        raise UserError(f"{source} was looked for in {data_root.name}")

    monkeypatch.setattr("adavit.data.dataset.open_name", open_name)
    command, *flags = arguments
    outcome = adavit("data", command, "cifar10", *flags, "--out", "o", "--data-root", "there")
    assert outcome.code == 2
    assert "cifar10 was looked for in there" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "nowhere"], "'nowhere' does not exist and is not a name, but must be"),
        (["check", "empty"], "has no image that can be read"),
        (["check", "photos", "--html", "a.txt"], "--html 'a.txt' ends in .txt, expected .html."),
        (["check", "photos", "--html", "n/a.html"], "--html 'n/a.html' cannot be written"),
        (["check", "photos", "--json", "n/a.json"], "--json 'n/a.json' cannot be written"),
        (
            ["check", "photos", "--html", "empty/a.html", "--write", "empty"],
            "--html 'empty/a.html' takes a place of --write 'empty', which must be new or empty",
        ),
        (
            ["check", "photos", "--json", "empty/a.json", "--write", "full/../empty"],
            "--json 'empty/a.json' takes a place of --write",
        ),
        (["check", "photos", "--json", "o.json", "--write", "o.json"], "takes a place of --write"),
        (["check", "photos", "--write", "photos/in"], "lies inside the images 'photos'"),
        (["check", "photos", "--write", "photos"], "lies inside the images"),
        (["check", "small_set", "--write", "empty/../full"], "is there already"),
        (["crop", "photos", "--out", "o"], "0 of --tiles, --centre, --faces-like and --trim"),
        (["crop", "photos", "--centre", "--trim", "--out", "o"], "2 of --tiles"),
        (["crop", "photos", "--faces-like", "bad.csv", "--out", "o"], "without left, top"),
        (["crop", "photos", "--faces-like", "far.csv", "--out", "o"], "which has 24x32 px"),
        (["crop", "photos", "--centre", "--out", "full"], "expected a new or an empty folder"),
        (["crop", "empty", "--centre", "--out", "o"], "has no image that can be read"),
        (["subset", "photos", "--count", "99", "--out", "o"], "--count asks for 99 images"),
        (["subset", "photos", "--count", "2", "--out", "photos/o"], "lies inside the images"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    adavit: Adavit, photos: Path, arguments: list[str], words: str
) -> None:
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/1.txt").write_text("mine")
    Path("bad.csv").write_text("file,x,y\n")
    Path("far.csv").write_text("file,left,top,width,height\na/0.png,20,3,10,11\n")
    outcome = adavit("data", *arguments, "-q")
    assert outcome.code == 2, outcome.err
    assert words in outcome.err
    assert "Traceback" not in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not list(Path("empty").iterdir())
    assert not Path("o").exists()
    assert [path.name for path in Path("full").iterdir()] == ["1.txt"]
