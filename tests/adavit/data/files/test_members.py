import pytest

from adavit.data.files.members import is_litter, printable


@pytest.mark.parametrize(
    "name", [".DS_Store", "a/.hidden/x.png", "__MACOSX/a/._x.png", "cats/Thumbs.db", "desktop.ini"]
)
def test_what_operating_systems_leave_behind_is_litter(name: str) -> None:
    assert is_litter(name)


def test_images_are_not_litter() -> None:
    assert not is_litter("a.b/c.d.png")


def test_unprintable_characters_become_escapes() -> None:
    assert printable("a\n\x1b[31m\udcff\u202eé 猫.png") == "a\\n\\x1b[31m\\udcff\\u202eé 猫.png"
