import io
import json

import numpy as np
import pytest

from adavit.data.files.members import Member
from adavit.data.labels import labels_from_file, labels_from_folders, read_label_file
from adavit.errors import UserError


def label_member(content: object, name: str = "dataset.json") -> Member:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Member(name, len(data), "", lambda: io.BytesIO(data))


def test_sub_folders_are_classes_in_alphabetical_order() -> None:
    labels = labels_from_folders(["dog/1.png", "cat/2.png", "dog/3.png"])
    assert labels.classes == ("cat", "dog")
    assert labels.indices is not None
    np.testing.assert_array_equal(labels.indices, np.array([1, 0, 1]))
    assert labels.indices.dtype == np.int64
    assert labels.note == "Classes: 2 from sub-folders (cat 1, dog 2)."


def test_folders_that_all_paths_share_are_no_class() -> None:
    assert labels_from_folders(["set/v1/cat/1.png", "set/v1/dog/2.png"]).classes == ("cat", "dog")


def test_the_first_folder_that_differs_is_the_class_however_deep_the_files_lie() -> None:
    assert labels_from_folders(["cat/black/1.png", "dog/2.png"]).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["1.png", "2.png"], "no sub-folders"),
        (["cat/1.png", "cat/2.png"], "no sub-folders"),
        (["cat/1.png"], "no sub-folders"),
        (["cat/1.png", "2.png"], "images lie beside the sub-folders"),
    ],
)
def test_without_at_least_two_folders_there_are_no_classes(names: list[str], why: str) -> None:
    labels = labels_from_folders(names)
    assert labels.indices is None
    assert labels.classes == ()
    assert why in labels.note


def test_many_classes_are_not_all_in_the_note() -> None:
    labels = labels_from_folders([f"{index:02d}/1.png" for index in range(20)])
    assert labels.note.endswith("11 1, and 8 more).")


def test_label_file_gives_labels_by_path() -> None:
    found = read_label_file(label_member({"labels": [["./00//b.png", 7], ["00\\a.png", 3]]}))
    assert found == {"00/b.png": 7, "00/a.png": 3}
    labels = labels_from_file(["00/a.png", "00/b.png"], found)
    assert labels.classes == ("3", "7")
    np.testing.assert_array_equal(labels.indices, [0, 1])


def test_two_labels_for_one_image_are_an_error_that_names_three() -> None:
    twice = [[f"{index}.png", label] for label in (1, 2) for index in range(5)]
    member = label_member({"labels": [*twice, ["once.png", 3]]})
    match = r"two labels to 5 images, such as 0\.png \(1 and 2\), 1\.png \(1 and 2\), 2\.png \(1 and 2\), but"
    with pytest.raises(UserError, match=match):
        read_label_file(member)


def test_the_same_label_twice_is_no_contradiction() -> None:
    assert read_label_file(label_member({"labels": [["a", 1], ["a", 1]]})) == {"a": 1}


def test_letters_that_are_written_in_two_ways_are_one_name() -> None:
    """As a Mac and the rest of the world write é."""
    found = read_label_file(label_member({"labels": [["cafe\u0301.png", 1], ["b.png", 2]]}))
    assert isinstance(found, dict)
    assert labels_from_file(["caf\u00e9.png", "b.png"], found).classes == ("1", "2")
    names = ["caf\u00e9/1.png", "cafe\u0301/2.png", "thé/3.png"]
    assert labels_from_folders(names).classes == ("caf\u00e9", "thé")


def test_classes_are_named_as_written_and_escaped_only_in_the_note() -> None:
    names = ["\x1b[31m/1.png", "\udcff/2.png", "\U0001f469\u200d\U0001f680/3.png"]
    labels = labels_from_folders(names)
    assert set(labels.classes) == {name.split("/")[0] for name in names}
    assert "\x1b" not in labels.note
    assert "\udcff" not in labels.note
    assert "\U0001f469\u200d\U0001f680" in labels.note


def test_label_file_below_a_folder_names_its_neighbours() -> None:
    found = read_label_file(label_member({"labels": [["a.png", 1]]}, "set/dataset.json"))
    assert found == {"set/a.png": 1}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "cannot be read as JSON"),
        (b"\xff\xfe\xff", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"labels": [["a", ' + b"9" * 5000 + b"]]}", "cannot be read as JSON"),
        ({"labels": None}, "has no labels"),
        ({"name": "cats"}, "has no labels"),
        ([1, 2], "has no labels"),
        ({"labels": {"a.png": 1}}, "must be a list"),
        ({"labels": [["a.png", [0.5, 0.5]]]}, "must be a list"),
        ({"labels": [["a.png", True]]}, "must be a list"),
        ({"labels": [["a.png"]]}, "must be a list"),
        ({"labels": [["a.png", 10**400]]}, "must be a list"),
    ],
)
def test_a_label_file_that_cannot_be_used_says_why(content: object, why: str) -> None:
    found = read_label_file(label_member(content))
    assert isinstance(found, str)
    assert why in found
    labels = labels_from_file(["a.png"], found)
    assert labels.indices is None
    assert "dataset.json" in labels.note


def test_an_enormous_label_file_is_not_read() -> None:
    member = Member("dataset.json", 1 << 40, "", lambda: pytest.fail("was opened"))
    assert "over 32 MB" in read_label_file(member)


def test_a_set_labelled_in_part_has_no_classes() -> None:
    labels = labels_from_file(["a.png", "b.png"], {"a.png": 0})
    assert labels.indices is None
    assert "no label for 1 of 2 images, such as b.png" in labels.note


def test_the_same_label_for_all_is_no_class() -> None:
    assert labels_from_file(["a.png", "b.png"], {"a.png": 4, "b.png": 4}).indices is None


def test_a_label_of_any_size_costs_no_memory() -> None:
    labels = labels_from_file(["a", "b"], {"a": -(10**18), "b": 10**18})
    assert len(labels.classes) == 2
