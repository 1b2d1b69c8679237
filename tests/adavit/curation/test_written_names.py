import os

import pytest

from adavit.curation.written_names import LONGEST_BYTES, WINDOWS, ZIP, NameRules, WrittenNames


def bytes_of(name: str) -> int:
    return max(len(os.fsencode(part)) for part in name.split("/"))


@pytest.mark.parametrize("letter", ["a", "ü", "界", "😀", os.fsdecode(b"\xe9")])
def test_a_name_that_is_too_long_loses_the_end_of_its_stem(letter: str) -> None:
    names, size = WrittenNames(NameRules()), len(os.fsencode(letter))
    stem = letter * ((LONGEST_BYTES - 4) // size)
    assert names.of_image(f"x/{stem}.png", "") == f"x/{stem}.png"
    tiles = [names.of_image(f"x/{stem}.png", f"_y{at:05d}_x00000") for at in (0, 64)]
    tiles += [names.of_image(f"x/{stem}.jpg", f"_y{at:05d}_x00000") for at in (0, 64)]
    tiles.append(names.of_image(f"x/{stem}.jpg", "_y00000_x00000"))
    endings = ["_y00000_x00000.png", "_y00064_x00000.png"]
    endings += ["_y00000_x00000.jpg.png", "_y00064_x00000.jpg.png", "_y00000_x00000.jpg_2.png"]
    for name, ending in zip(tiles, endings, strict=True):
        kept = name.removeprefix("x/").removesuffix(ending)
        assert kept
        assert kept == letter * len(kept)
        assert name == f"x/{kept}{ending}"
        assert LONGEST_BYTES - size < bytes_of(name) <= LONGEST_BYTES
    assert len(set(tiles)) == 5


def test_names_that_only_their_ends_tell_apart_stay_apart() -> None:
    names, long = WrittenNames(NameRules()), "a" * 300
    files = [names.of_file(f"{long}{at}.png") for at in range(12)]
    files += [names.of_file(f"{long}.{'b' * 300}{at}") for at in range(2)]
    files += [names.of_image(f"c.{'b' * 300}", "") for _ in range(3)]
    files += [names.of_file(f"{long}{at}/1.png") for at in range(2)]
    assert len(set(files)) == len(files)
    assert max(map(bytes_of, files)) == LONGEST_BYTES
    assert files[11].endswith("a_12.png")


@pytest.mark.parametrize(
    ("rules", "name", "written"),
    [
        (NameRules(), "A:1\\b.png", "A:1\\b.png"),
        (NameRules(), "aux/con.png", "aux/con.png"),
        (ZIP, "A:1.png", "A_1.png"),
        (ZIP, "b/x\\y.png", "b/x_y.png"),
        (ZIP, "b/why?.png", "b/why?.png"),
        (WINDOWS, "b/c:why?.png", "b/c_why_.png"),
        (WINDOWS, "a\n\x1fb.png", "a__b.png"),
        (WINDOWS, "aux/Con.png", "aux_/Con_.png"),
        (WINDOWS, "LPT1 .old.png", "LPT1 _.old.png"),
        (WINDOWS, "com².png", "com²_.png"),
        (WINDOWS, "console/com10.png", "console/com10.png"),
        (WINDOWS, "etc./and so on. /1.png", "etc_/and so on._/1.png"),
    ],
)
def test_what_the_place_has_another_use_for_is_replaced(
    rules: NameRules, name: str, written: str
) -> None:
    assert WrittenNames(rules).of_file(name) == written
    assert WrittenNames(rules).of_image(name, "") == written


def test_files_without_suffix_end_as_windows_has_it() -> None:
    names = WrittenNames(WINDOWS)
    files = ["NUL", "nul", "a.", "a_", f"{'b' * 254}.{'c' * 300}"]
    written = [names.of_file(name) for name in files]
    assert written == ["NUL_", "nul__2", "a_", "a__2", f"{'b' * 254}_"]


@pytest.mark.parametrize("told", [False, True])
def test_names_and_folders_that_become_alike_stay_apart(told: bool) -> None:
    files = ["a:b/1.png", "a_b/1.png", "a_b/2:3.png", "a_b/2_3.png", "a_b/2_3.jpg"]
    by_file, by_image = WrittenNames(NameRules(":")), WrittenNames(NameRules(":"))
    if told:
        by_file.keep_folders(files)
        by_image.keep_folders(files)
    first, other = ("a_b_2", "a_b") if told else ("a_b", "a_b_2")
    shared = [f"{first}/1.png", f"{other}/1.png", f"{other}/2_3.png"]
    assert [by_file.of_file(name) for name in files] == [
        *shared,
        f"{other}/2_3_2.png",
        f"{other}/2_3.jpg",
    ]
    assert [by_image.of_image(name, "") for name in files] == [
        *shared,
        f"{other}/2_3.png.png",
        f"{other}/2_3.jpg.png",
    ]


def test_folders_that_will_come_keep_their_names() -> None:
    files = ["a.jpg", "a.png/1.png", "A.gif", "b", "b/c.png/2.png", "b/c.bmp", "dataset.json/3.png"]
    names = WrittenNames(NameRules())
    names.keep_folders(files)
    assert [names.of_image(name, "") for name in files] == [
        *("a.jpg.png", "a.png/1.png", "A.gif.png", "b.png"),
        *("b/c.png/2.png", "b/c.bmp.png", "dataset.json_2/3.png"),
    ]
    names = WrittenNames(NameRules())
    names.keep_folders(files)
    assert [names.of_file(name) for name in files] == [
        *("a.jpg", "a.png/1.png", "A.gif", "b_2"),
        *("b/c.png/2.png", "b/c.bmp", "dataset.json_2/3.png"),
    ]


@pytest.mark.parametrize("alike", [True, False])
def test_files_and_folders_that_the_place_takes_for_one_stay_two(alike: bool) -> None:
    names = WrittenNames(NameRules(alike=alike))
    files = ["Cats/IMG_1.JPG", "Cats/IMG_1.jpg", "cats/1.png", "\u00e9.png", "e\u0301.png"]
    names.keep_folders(files)
    written = [names.of_file(name) for name in files]
    if alike:
        files = [
            "Cats/IMG_1.JPG",
            "Cats/IMG_1_2.jpg",
            "cats_2/1.png",
            "\u00e9.png",
            "e\u0301_2.png",
        ]
    assert written == files
