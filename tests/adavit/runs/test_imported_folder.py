from pathlib import Path

from adavit.runs.imported_folder import ImportedFolder


def test_an_import_is_told_by_its_networks(tmp_path: Path) -> None:
    folder = ImportedFolder(tmp_path)
    assert not folder.is_import()
    folder.readme.touch()
    assert not folder.is_import()
    folder.discriminator.touch()
    assert folder.is_import()
    assert not ImportedFolder(tmp_path / "absent").is_import()
