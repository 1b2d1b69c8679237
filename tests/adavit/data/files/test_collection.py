import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from adavit.data.files.collection import identify, images_in_memory, open_files
from adavit.data.files.formats import Unreadable
from adavit.data.files.members import MAXIMUM_MEMBER_BYTES
from tests.references.data_files import pixels, png, write_folder, write_zip

FILES = {"b/2.png": png(2), "a/1.png": png(1), "a/broken.png": b"no image", "empty.png": b""}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_files_become_images_labels_and_reasons(tmp_path: Path, kind: str) -> None:
    write = write_folder if kind == "folder" else write_zip
    with open_files(write(tmp_path / "pets", FILES), "pets") as collection:
        images = collection.images()
        assert [image.name for image in images] == ["a/1.png", "a/broken.png", "b/2.png"]
        assert [each.name for each in collection.skipped] == ["empty.png"]
        with images[0].open() as opened:
            np.testing.assert_array_equal(np.asarray(opened.image), pixels(8, 8, 3, seed=1))
        with pytest.raises(Unreadable, match="is not a PNG"), images[1].open():
            pass
        labels = collection.labels([0, 2])
        assert labels.indices is not None
        assert (labels.indices.tolist(), labels.classes) == ([0, 1], ("a", "b"))


def test_members_are_sorted_and_the_topmost_label_file_is_no_image(tmp_path: Path) -> None:
    labels = b'{"labels": [["a.png", 7], ["b.png", 9]]}'
    files = {"b.png": png(2), "sub/dataset.json": b"{}", "a.png": png(1), "dataset.json": labels}
    with open_files(write_folder(tmp_path / "set", files), "set") as collection:
        assert [image.name for image in collection.images()] == ["a.png", "b.png"]
        assert collection.labels([0, 1]).classes == ("7", "9")
        assert collection.label_file is not None
        assert collection.label_file.name == "dataset.json"
        assert [each.name for each in collection.skipped] == ["sub/dataset.json"]


@pytest.mark.parametrize("content", [b'{"labels": null}', b'{"labels": [["1.png", 3]]}', b"{"])
def test_a_label_file_of_a_part_of_the_set_does_not_count(tmp_path: Path, content: bytes) -> None:
    files = {"cats/1.png": png(1), "dogs/1.png": png(2), "dogs/dataset.json": content}
    with open_files(write_folder(tmp_path / "set", files), "set") as collection:
        assert collection.labels([0, 1]).classes == ("cats", "dogs")
        (skipped,) = collection.skipped
        assert skipped.name == "dogs/dataset.json"
        assert skipped.reason == "is a dataset.json that does not lie above all images"


def test_a_label_file_below_folders_that_all_images_share_counts(tmp_path: Path) -> None:
    labels = b'{"labels": [["x/1.png", 5], ["y/1.png", 6]]}'
    files = {"set/x/1.png": png(1), "set/y/1.png": png(2), "set/dataset.json": labels}
    with open_files(write_zip(tmp_path / "set.zip", files), "set") as collection:
        assert collection.labels([0, 1]).classes == ("5", "6")


def test_the_order_does_not_depend_on_how_a_system_writes_letters(tmp_path: Path) -> None:
    """A folder copied to a Mac, where é is two characters, stays the same set."""
    orders = []
    for number, letter in enumerate(("\u00e9", "e\u0301")):
        files = {f"{letter}.png": png(1), "ez.png": png(2), "f.png": png(3)}
        with open_files(write_folder(tmp_path / str(number), files), "set") as collection:
            orders.append([image.name.replace(letter, "é") for image in collection.images()])
    assert orders[0] == orders[1]


def test_empty_and_enormous_files_are_skipped_with_the_reason(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", {"z.png": b"", "a.png": b""})
    os.truncate(folder / "a.png", MAXIMUM_MEMBER_BYTES + 1)  # sparse: takes no space
    with open_files(folder, "set") as collection:
        assert collection.images() == []
        assert [each.name for each in collection.skipped] == ["a.png", "z.png"]
        assert "image files of up to 801 MB are read" in collection.skipped[0].reason
        assert collection.skipped[1].reason == "is empty (0 bytes)"


def test_identity_follows_names_sizes_and_times(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pets", {"1.png": png(1)})

    def identity() -> str:
        with open_files(folder, "pets") as collection:
            return collection.identity

    first = identity()
    assert identity() == first
    os.utime(folder / "1.png", ns=(1, 1))
    touched = identity()
    (folder / "1.png").rename(folder / "2.png")
    assert len({first, touched, identity()}) == 3


def test_identity_is_the_digest_of_its_lines() -> None:
    assert identify(["a", "b"]) == hashlib.sha256(b"a\nb\n").hexdigest()


def test_images_in_memory_are_named_by_their_numbers() -> None:
    given = pixels(3, 4, 4, 3)
    images = images_in_memory(given)
    assert [image.name for image in images] == ["00000", "00001", "00002"]
    with images[2].open() as opened:
        np.testing.assert_array_equal(np.asarray(opened.image), given[2])
