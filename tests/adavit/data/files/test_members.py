import io

import pytest

from adavit.data.files.members import (
    MAXIMUM_MEMBER_BYTES,
    Member,
    is_litter,
    make_listing,
    printable,
)


def member(name: str, size_bytes: int = 10) -> Member:
    return Member(name, size_bytes, "", io.BytesIO)


@pytest.mark.parametrize(
    "name", [".DS_Store", "a/.hidden/x.png", "__MACOSX/a/._x.png", "cats/Thumbs.db", "desktop.ini"]
)
def test_what_operating_systems_leave_behind_is_litter(name: str) -> None:
    assert is_litter(name)


def test_images_are_not_litter() -> None:
    assert not is_litter("a.b/c.d.png")


def test_unprintable_characters_become_escapes() -> None:
    assert printable("a\n\x1b[31m\udcff\u202eé 猫.png") == "a\\n\\x1b[31m\\udcff\\u202eé 猫.png"


def test_members_are_sorted_and_the_label_file_set_apart() -> None:
    listing = make_listing(
        [member("b.png"), member("sub/dataset.json"), member("a.png"), member("dataset.json")], []
    )
    assert [each.name for each in listing.members] == ["a.png", "b.png"]
    assert listing.label_file is not None
    assert listing.label_file.name == "dataset.json"


def test_empty_and_enormous_files_are_skipped_with_the_reason() -> None:
    listing = make_listing([member("z.png", 0), member("a.png", MAXIMUM_MEMBER_BYTES + 1)], [])
    assert listing.members == ()
    assert [each.name for each in listing.skipped] == ["a.png", "z.png"]
    assert "more than an image of 100 megapixels can have" in listing.skipped[0].reason
    assert listing.skipped[1].reason == "is empty (0 bytes)"
