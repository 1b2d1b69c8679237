import contextlib
import json
import os
import re
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from adavit.curation.source_set import labels_of_made, open_set
from adavit.data import load_images
from adavit.data.files.collection import Collection, SourceImage, open_image_file
from adavit.data.files.folder import list_folder
from adavit.data.files.members import Member, Skipped
from adavit.data.labels import Labels
from adavit.data.reading import Reading
from adavit.errors import UserError
from tests.adavit.curation.conftest import textured
from tests.references.data_files import encode, write_folder


def test_images_have_their_files_classes_and_labels(spoilt: Path) -> None:
    labels = [[path.relative_to(spoilt).as_posix(), 7] for path in sorted(spoilt.rglob("0*.png"))]
    (spoilt / "dataset.json").write_text(json.dumps({"labels": labels}))
    with open_set(str(spoilt), resolution=16) as opened:
        names = list(opened.images.names)
        assert "a/broken.png" not in names
        assert [opened.file_of(index).name for index in range(len(names))] == names
        assert opened.folder == spoilt.resolve()
        made = {"x.png": "a/02.png", "y.png": "a/blank.png"}
        assert labels_of_made(made, opened.labels, classes=None) == {"x.png": 7}
        assert opened.class_of(0) is None  # as not all have a label


def test_frames_of_a_file_share_it(tmp_path: Path) -> None:
    frames = [Image.fromarray(textured(index)) for index in range(3)]
    (tmp_path / "set").mkdir()
    frames[0].save(tmp_path / "set/film.gif", save_all=True, append_images=frames[1:])
    with open_set(str(tmp_path / "set"), resolution=16, reading=Reading(frames="all")) as opened:
        assert opened.images.names[2] == "film.gif#002"
        assert opened.file_of(2).name == "film.gif"


def test_a_set_that_is_drawn_has_no_files(drawn_set: str) -> None:
    with open_set(drawn_set, resolution=16) as opened:
        assert not opened.has_files
        assert opened.folder is None
        assert opened.file_of(3).name == "00003"
        assert opened.class_of(0)


def test_what_is_no_set_is_named_by_itself(tmp_path: Path) -> None:
    (tmp_path / "my data.source set").mkdir()
    for source, message in (
        ("nowhere", "'nowhere' does not exist and"),
        (str(tmp_path / "my data.source set"), f"'{tmp_path}/my data.source set' has no image"),
    ):
        with (
            pytest.raises(UserError, match=f"^{re.escape(message)}"),
            open_set(source, resolution=16),
        ):
            pass


@pytest.mark.parametrize("cached", [False, True])
def test_the_files_are_listed_once(
    spoilt: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    if cached:
        load_images(str(spoilt), resolution=16)
    listed = []

    def list_once(path: Path, *, follow_links: bool) -> list[Member | Skipped]:
        listed.append(path)
        return list_folder(path, follow_links=follow_links)

    monkeypatch.setattr("adavit.data.files.collection.list_folder", list_once)
    with open_set(str(spoilt), resolution=16) as opened:
        assert {opened.file_of(index).name for index in range(len(opened.images))}
    assert listed == [spoilt.resolve()]


def test_without_a_file_of_labels_folders_are_the_classes_of_what_is_made(spoilt: Path) -> None:
    with open_set(str(spoilt), resolution=16) as opened:
        assert opened.labels is None
        classes = opened.class_numbers
        assert classes is not None
        made = {"a/x.png": "a/02.png", "b/y.png": "b/01.png"}
        assert labels_of_made(made, opened.labels, classes=classes) is None
        assert labels_of_made(made, opened.labels, classes=None) == {}
        assert labels_of_made({"x.png": "a/02.png"}, opened.labels, classes=None) is None


def test_folders_within_one_class_are_no_classes_of_what_is_made(tmp_path: Path) -> None:
    images = {name: encode(textured(at)) for at, name in enumerate(["a/p/1.png", "a/q/2.png"])}
    source = write_folder(tmp_path / "set", images | {"b/3.png": encode(textured(3))})
    with open_set(str(source), resolution=16) as opened:
        classes = opened.class_numbers
        assert classes == {"a/p/1.png": 0, "a/q/2.png": 0, "b/3.png": 1}
        assert labels_of_made({name: name for name in images}, None, classes=classes) == {}
        assert labels_of_made({name: name for name in classes}, None, classes=classes) is None


NAMES_SHOWN_ALIKE = ("a\n.png", "a\\n.png")
"""A new line, and a backslash with an n: escaped, both are the latter."""


@pytest.mark.skipif(os.name == "nt", reason="no file is called so there")
@pytest.mark.parametrize("broken", [(), (0,), (1,)])
@pytest.mark.parametrize("cached", [False, True])
def test_files_whose_names_are_shown_alike_are_told_apart(
    tmp_path: Path, broken: tuple[int, ...], cached: bool
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "0.png").write_bytes(b"no image")
    for index, name in enumerate(NAMES_SHOWN_ALIKE):
        Image.fromarray(textured(index)).save(folder / name)
    Image.fromarray(textured(2)).save(folder / "b.png")
    for index in broken:
        (folder / NAMES_SHOWN_ALIKE[index]).write_bytes(b"no image")
    if cached:
        load_images(str(folder), resolution=16)
    kept = [name for at, name in enumerate(NAMES_SHOWN_ALIKE) if at not in broken]
    with open_set(str(folder), resolution=16) as opened:
        files = [opened.file_of(index).name for index in range(len(opened.images))]
    assert files == [*kept, "b.png"]


@pytest.mark.parametrize("broken", [False, True])
def test_an_image_of_a_named_set_is_that_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for number, path in enumerate(paths):
        Image.fromarray(textured(number)).save(path)
    if broken:
        paths[1].write_bytes(b"no image")

    def open_name(*_: object) -> contextlib.nullcontext[Collection]:
        images = [SourceImage(each.name, partial(open_image_file, each)) for each in paths]
        found = Collection("set", "set", "1", lambda: images, lambda _: Labels(None, (), ""))
        return contextlib.nullcontext(found)

    monkeypatch.setattr("adavit.data.dataset.open_name", open_name)
    with open_set("set", resolution=16) as opened:
        assert opened.file_of(len(opened.images) - 1).name == "2.jpg"
