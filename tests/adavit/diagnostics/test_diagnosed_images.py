import zipfile
from pathlib import Path

import pytest

from adavit.data import load_images
from adavit.diagnostics import diagnosed_images
from adavit.diagnostics.diagnosed_images import image_names, open_diagnosis
from adavit.errors import UserError
from tests.adavit.diagnostics.conftest import random_images, write_images


def test_names_follow_the_order_of_the_images_and_leave_out_what_was_skipped(
    tmp_path: Path,
) -> None:
    folder = write_images(tmp_path / "pictures", random_images(4))
    (folder / "0001.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    (folder / "notes.txt").write_text("hello")
    expected = ["0000.png", "0002.png", "0003.png"]
    assert image_names(load_images(str(folder))) == expected
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    assert image_names(load_images(str(tmp_path / "pictures.zip"))) == expected


def test_names_are_those_of_the_files_that_were_read_whatever_became_of_them(
    tmp_path: Path,
) -> None:
    folder = write_images(tmp_path / "pictures", random_images(3))
    images = load_images(str(folder))
    (folder / "0001.png").unlink()
    assert image_names(images) == ["0000.png", "0001.png", "0002.png"]


def test_a_set_without_files_has_no_names() -> None:
    assert image_names(load_images("small_set:2", resolution=8)) is None


@pytest.mark.parametrize("wrong", ["SOURCE", "--data"])
def test_whichever_side_has_no_images_is_called_as_its_user_called_it(
    wrong: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    given = {"SOURCE": "small_set:4", "--data": "small_set:4"} | {wrong: str(tmp_path / "empty")}
    with pytest.raises(UserError, match=f"^{wrong} '.*empty' has no image that can be read"):
        open_diagnosis(given["SOURCE"], data=given["--data"], out=tmp_path / "out", device="cpu")


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("images were read")

    monkeypatch.setattr(diagnosed_images, "_of_images", read)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        open_diagnosis("small_set:4", data="small_set:4", out=tmp_path / "file" / "x")
