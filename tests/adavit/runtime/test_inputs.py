import errno
import os
from pathlib import Path

import pytest

from adavit.runtime.inputs import MAXIMUM_TEXT_BYTES, check_regular, read_input


def test_a_text_is_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("å: 1\n", encoding="utf-8")
    (tmp_path / "link").symlink_to("a.yaml")
    assert read_input(tmp_path / "link") == "å: 1\n"


def test_pipes_devices_and_folders_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(OSError, match="pipe, socket or device"):
            read_input(path)  # opening the pipe would wait for ever
    with pytest.raises(IsADirectoryError):
        check_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / "absent")
    with pytest.raises(OSError, match="no file has such a name") as raised:
        check_regular(Path("a\0b"))
    assert raised.value.errno == errno.EINVAL


def test_a_text_over_the_bound_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAXIMUM_TEXT_BYTES + 1)
    with pytest.raises(OSError, match="over 64 MB"):
        read_input(tmp_path / "large")
