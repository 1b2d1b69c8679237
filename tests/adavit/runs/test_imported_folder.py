from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.runs.imported_folder import UNFINISHED, ImportedFolder
from adavit.runtime.files import unfinished_file


def test_an_import_is_told_by_its_networks(tmp_path: Path) -> None:
    folder = ImportedFolder(tmp_path)
    assert not folder.is_import()
    folder.readme.touch()
    assert not folder.is_import()
    folder.discriminator.touch()
    assert folder.is_import()
    assert not ImportedFolder(tmp_path / "absent").is_import()


def test_what_is_being_written_is_an_import_that_is_not_whole(tmp_path: Path) -> None:
    folder = ImportedFolder(tmp_path)
    folder.check_whole()
    with unfinished_file(tmp_path, UNFINISHED):
        assert folder.is_import()
        with pytest.raises(UserError, match="wait for it, or remove the folder and import"):
            folder.check_whole()
    folder.check_whole()
    assert not folder.is_import()
    ImportedFolder(tmp_path / "absent").check_whole()


def test_a_card_that_was_not_written_to_its_end_spoils_no_import(tmp_path: Path) -> None:
    folder = ImportedFolder(tmp_path)
    folder.generator.touch()
    with unfinished_file(tmp_path, f".{folder.readme.name}."):
        folder.check_whole()
