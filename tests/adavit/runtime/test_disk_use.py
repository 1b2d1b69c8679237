import os
from pathlib import Path

from adavit.runtime.disk_use import bytes_below, freed_bytes, is_plain_file


def test_a_file_counts_once_and_a_link_for_itself(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "large").write_bytes(bytes(10_000))
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(bytes(100))
    (folder / "deep" / "b").write_bytes(bytes(20))
    os.link(folder / "a", folder / "deep" / "again")
    assert bytes_below(folder) == 120
    (folder / "link").symlink_to(tmp_path / "far")
    (folder / "file").symlink_to(tmp_path / "far" / "large")
    assert 120 < bytes_below(folder) < 1000
    assert bytes_below(tmp_path / "nothing") == 0


def test_a_file_that_keeps_a_name_frees_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(bytes(100))
    assert freed_bytes([first]) == 100
    os.link(first, second)
    assert freed_bytes([first]) == 0
    assert freed_bytes([first, second]) == 100
    assert freed_bytes([tmp_path / "nothing"]) == 0


def test_what_is_a_file_itself(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    (tmp_path / "link").symlink_to(file)
    assert is_plain_file(file)
    assert not any(map(is_plain_file, (tmp_path, tmp_path / "link", tmp_path / "nothing")))
