import pytest

from adavit.data.files.members import bin_of, is_litter, normal, plain, printable


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store",
        "a/.hidden/x.png",
        "__MACOSX/a/._x.png",
        "cats/Thumbs.db",
        "desktop.ini",
        "cats/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg",
        "#recycle/1.png",
        "#snapshot/1.png",
        "@Recycle/1.png",
        "$RECYCLE.BIN/S-1-5/$RABC.png",
        "System Volume Information/1.png",
        "lost+found/1.png",
        "FOUND.000/1.png",
        "cats/@Recently-Snapshot/1.png",
        "@tmp/1.png",
        "~snapshot/hourly.0/1.png",
        "Network Trash Folder/1.png",
        "Temporary Items/1.png",
        "cats/ehthumbs.db",
        "cats/Icon\r",
    ],
)
def test_what_operating_systems_leave_behind_is_litter(name: str) -> None:
    assert is_litter(name)


@pytest.mark.parametrize(
    "name",
    [
        *("a.b/c.d.png", "found.0000/1.png", "found.png", "icon/1.png"),
        *("recycled/1.png", "waste/recycler/1.png"),
    ],
)
def test_images_are_not_litter(name: str) -> None:
    assert not is_litter(name)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("RECYCLER/S-1-5/1.png", "RECYCLER/"),
        ("Recycled/1.png", "Recycled/"),
        ("waste/recycled/1.png", None),
        ("recycled", None),
        ("recycled.png", None),
    ],
)
def test_a_bin_of_windows_is_at_the_top_and_named(name: str, folder: str | None) -> None:
    found = bin_of(name)
    assert (None if found is None else found.name) == folder
    assert found is None or found.reason == (
        "is called as Windows calls its bin; rename it to have its images read"
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("./a/1.png", "a/1.png"),
        ("a//./1.png", "a/1.png"),
        ("a\\.\\1.png", "a/1.png"),
        ("a/../1.png", "a/../1.png"),
        ("/a/1.png", "/a/1.png"),
        ("\\\\server\\1.png", "/server/1.png"),
    ],
)
def test_one_path_has_one_name(written: str, expected: str) -> None:
    assert plain(written) == expected


def test_joiners_inside_words_and_emoji_are_printed() -> None:
    assert (
        printable("می\u200cخواهم \U0001f469\u200d\U0001f680")
        == "می\u200cخواهم \U0001f469\u200d\U0001f680"
    )


def test_the_ways_to_write_one_letter_are_one_name() -> None:
    assert normal("cafe\u0301/é.png") == "café/é.png"


def test_unprintable_characters_become_escapes() -> None:
    assert printable("a\n\x1b[31m\udcff\u202eé 猫.png") == "a\\n\\x1b[31m\\udcff\\u202eé 猫.png"
