import os
import sys
from pathlib import Path

import pytest

from adavit.data.files.folder import list_folder
from adavit.errors import UserError
from adavit.runtime.files import mark_results
from tests.references.data_files import members_of, reasons_of, write_folder

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need POSIX")


def test_files_at_any_depth_are_found_in_order(tmp_path: Path) -> None:
    write_folder(
        tmp_path, {"b/c/d/2.png": b"xx", "1.png": b"x", "b/3.png": b"xxx", ".git/4.png": b"x"}
    )
    members = members_of(list_folder(tmp_path))
    assert [(each.name, each.size_bytes) for each in members] == [
        ("1.png", 1),
        ("b/3.png", 3),
        ("b/c/d/2.png", 2),
    ]
    with members[2].open() as stream:
        assert stream.read() == b"xx"


def test_stamp_changes_with_the_time_of_the_file(tmp_path: Path) -> None:
    write_folder(tmp_path, {"1.png": b"x"})
    before = members_of(list_folder(tmp_path))[0].stamp
    os.utime(tmp_path / "1.png", ns=(1, 1))
    assert members_of(list_folder(tmp_path))[0].stamp != before


@posix
def test_link_in_a_circle_is_read_once_and_listed(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cats/1.png": b"x"})
    (tmp_path / "cats" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a_link").symlink_to(tmp_path / "cats", target_is_directory=True)
    files = list_folder(tmp_path)
    assert [each.name for each in members_of(files)] == ["cats/1.png"]
    assert list(reasons_of(files)) == ["a_link/", "cats/loop/"]
    assert all("read already" in reason for reason in reasons_of(files).values())


@posix
def test_links_out_of_the_folder_are_followed_only_when_asked(tmp_path: Path) -> None:
    """A link to / or /proc would else be walked for minutes."""
    write_folder(tmp_path / "elsewhere", {"dogs/1.png": b"x", "2.png": b"y"})
    folder = write_folder(tmp_path / "set", {"a.png": b"z"})
    (folder / "dogs").symlink_to(tmp_path / "elsewhere" / "dogs", target_is_directory=True)
    (folder / "2.png").symlink_to(tmp_path / "elsewhere" / "2.png")
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    files = list_folder(folder)
    assert [each.name for each in members_of(files)] == ["a.png"]
    assert reasons_of(files) == {
        name: "is a link that leads out of the folder" for name in ("2.png", "dogs", "up")
    }
    (folder / "up").unlink()
    followed = members_of(list_folder(folder, follow_links=True))
    assert [each.name for each in followed] == ["2.png", "a.png", "dogs/1.png"]


@posix
def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", {"cats/1.png": b"x"})
    (tmp_path / "set" / "2.png").symlink_to("cats/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "set", target_is_directory=True)
    files = list_folder(tmp_path / "link")
    assert [each.name for each in members_of(files)] == ["cats/1.png"]
    assert reasons_of(files) == {"2.png": "is a link to cats/1.png, which counts once"}


@posix
@pytest.mark.parametrize("kind", ["link", "hard link", "linked folder"])
def test_one_file_reached_by_two_names_is_one_image(tmp_path: Path, kind: str) -> None:
    folder = write_folder(tmp_path / "set", {"b/1.png": b"x"})
    if kind == "link":  # it comes first on the walk, and still gives way to the file itself
        (folder / "a.png").symlink_to("b/1.png")
        expected = {"a.png": "is a link to b/1.png, which counts once"}
    elif kind == "hard link":
        os.link(folder / "b" / "1.png", folder / "z.png")
        expected = {"z.png": "is the same file as b/1.png, which counts once"}
    else:
        (folder / "a").symlink_to("b", target_is_directory=True)
        expected = {"a/": "is a link to a folder that was read already"}
    files = list_folder(folder)
    assert [each.name for each in members_of(files)] == ["b/1.png"]
    assert reasons_of(files) == expected


def test_folders_that_hold_results_are_not_data(tmp_path: Path) -> None:
    write_folder(tmp_path, {"1.png": b"x", "runs/00000-a/samples/reals.png": b"y"})
    mark_results(tmp_path / "runs" / "00000-a")
    files = list_folder(tmp_path)
    assert [each.name for each in members_of(files)] == ["1.png"]
    assert reasons_of(files) == {"runs/00000-a/": "holds results of adavit, which are not data"}
    with pytest.raises(UserError, match=r"holds results of adavit, but must hold images\. Give"):
        list_folder(tmp_path / "runs" / "00000-a")


def test_a_class_that_is_called_as_a_bin_of_windows_is_named_or_read(tmp_path: Path) -> None:
    write_folder(tmp_path, {"new/1.png": b"x", "recycled/1.png": b"y", "a/Recycled/1.png": b"z"})
    files = list_folder(tmp_path)
    assert [each.name for each in members_of(files)] == ["a/Recycled/1.png", "new/1.png"]
    (reason,) = reasons_of(files).items()
    assert reason == (
        "recycled/",
        "is called as Windows calls its bin; rename it to have its images read",
    )
    inside = list_folder(tmp_path / "recycled")
    assert [each.name for each in members_of(inside)] == ["1.png"]


@posix
def test_broken_links_and_pipes_are_skipped_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    os.mkfifo(tmp_path / "pipe.png")
    files = list_folder(tmp_path)
    assert members_of(files) == []
    reasons = reasons_of(files)
    assert list(reasons) == ["gone.png", "pipe.png", "self.png"]
    assert "cannot be read" in reasons["gone.png"]
    assert "pipe" in reasons["pipe.png"]


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read anything")
def test_unreadable_folders_are_listed_or_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, {"1.png": b"x", "secret/2.png": b"x"})
    (tmp_path / "secret").chmod(0)
    try:
        assert "is a folder that cannot be read" in reasons_of(list_folder(tmp_path))["secret/"]
        with pytest.raises(UserError, match="Check its permissions"):
            list_folder(tmp_path / "secret")
    finally:
        (tmp_path / "secret").chmod(0o700)


def test_a_folder_that_vanished_is_an_error_of_three_parts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read .* must be a folder .* Check"):
        list_folder(tmp_path / "gone")
