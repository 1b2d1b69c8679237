import stat
import struct
import zipfile
from pathlib import Path

import pytest

from adavit.data.files.archive import open_archive
from adavit.errors import UserError
from tests.references.data_files import members_of, reasons_of, write_zip


def reasons(path: Path) -> dict[str, str]:
    with open_archive(path) as files:
        return reasons_of(files)


def test_members_are_found_at_any_depth_and_read(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "a.zip",
        {"b/2.png": b"two", "1.png": b"one", "__MACOSX/._1.png": b"x", "b/": b""},
    )
    with open_archive(path) as files:
        assert [each.name for each in members_of(files)] == ["1.png", "b/2.png"]
        assert members_of(files)[1].open().read() == b"two"
        assert reasons_of(files) == {}


def test_a_class_that_is_called_as_a_bin_of_windows_is_named_once_or_read(tmp_path: Path) -> None:
    names = ("new/1.png", "recycled/1.png", "recycled/2.png", "a/recycled/1.png")
    path = write_zip(tmp_path / "a.zip", dict.fromkeys(names, b"x"))
    with open_archive(path) as files:
        assert [each.name for each in members_of(files)] == ["a/recycled/1.png", "new/1.png"]
        assert sum(each.name == "recycled/" for each in files) == 1
        assert "rename it to have its images read" in reasons_of(files)["recycled/"]


def test_folders_of_a_zip_made_on_windows_are_no_empty_files(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"cats\\": b"", "cats\\1.png": b"one"})
    with open_archive(path) as files:
        assert [each.name for each in members_of(files)] == ["cats/1.png"]
        assert reasons_of(files) == {}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil.png", "'..' in its name"),
        ("a/../../evil.png", "'..' in its name"),
        ("a\\..\\evil.png", "'..' in its name"),
        ("/etc/evil.png", "absolute"),
        ("C:/evil.png", "absolute"),
        ("C:\\evil.png", "absolute"),
        ("\\\\server\\evil.png", "absolute"),
    ],
)
def test_names_that_lead_out_of_the_archive_are_listed_not_read(
    tmp_path: Path, name: str, why: str
) -> None:
    path = write_zip(tmp_path / "a.zip", {"good.png": b"x", name: b"evil"})
    with open_archive(path) as files:
        assert [each.name for each in members_of(files)] == ["good.png"]
        (reason,) = reasons_of(files).values()
        assert why in reason
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a.zip"]


def test_symbolic_links_inside_are_listed_not_followed(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.png")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "symbolic link" in reasons(tmp_path / "a.zip")["link.png"]


def test_encrypted_members_are_listed(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.png": b"x" * 50})
    data = bytearray(path.read_bytes())
    central = data.find(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    assert reasons(path)["1.png"] == "is encrypted"


def test_bombs_are_refused_by_their_declared_size(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"bomb.bmp": b"\0" * (80 << 20)})
    assert "would unpack to 84 MB" in reasons(path)["bomb.bmp"]


def test_a_declared_size_too_large_for_an_image_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"huge.bmp": b"x" * 50})
    data = bytearray(path.read_bytes())
    central = data.find(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 3_000_000_000)
    path.write_bytes(data)
    assert "would unpack to 3000 MB" in reasons(path)["huge.bmp"]


def test_a_member_that_unpacks_to_more_than_it_declares_is_cut_off_and_refused(
    tmp_path: Path,
) -> None:
    path = write_zip(tmp_path / "a.zip", {"liar.bmp": b"\0" * (1 << 20)})
    data = bytearray(path.read_bytes())
    central = data.find(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 100)
    path.write_bytes(data)
    with open_archive(path) as files, pytest.raises(zipfile.BadZipFile, match="CRC"):
        members_of(files)[0].open()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_without_a_bound_on_their_output_are_listed(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("1.png", b"x" * 100)
    assert "only stored and deflated" in reasons(tmp_path / "a.zip")["1.png"]


def test_a_member_under_two_spellings_of_its_path_is_one_and_of_one_class(tmp_path: Path) -> None:
    names = ["./a/1.png", "a/1.png", "a//2.png", "b\\.\\3.png"]
    path = write_zip(tmp_path / "a.zip", [(name, name.encode()) for name in names])
    with open_archive(path) as files:
        assert [each.name for each in members_of(files)] == ["a/1.png", "a/2.png", "b/3.png"]
        assert list(reasons_of(files)) == ["a/1.png"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_with_the_same_name_the_last_counts(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [("1.png", b"first"), ("1.png", b"second")])
    with open_archive(path) as files:
        assert [each.open().read() for each in members_of(files)] == [b"second"]
        assert "twice" in reasons_of(files)["1.png"]


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", b"PK\x05\x06" + b"\0" * 10, b"PK\x03\x04" + b"\xff" * 90]
)
def test_a_file_that_is_no_zip_is_an_error_of_three_parts(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    match = r"data\.source '.*a\.zip' is not a zip that can be read \(.*\), but must be .* Pack"
    with pytest.raises(UserError, match=match), open_archive(tmp_path / "a.zip"):
        pass


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF1234WEBP"])
def test_one_image_is_called_so_whatever_its_name(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a").write_bytes(head + b"\0" * 90)
    match = f"/a' is one image, but must be .* Give the folder that it is in: '{tmp_path}'"
    with pytest.raises(UserError, match=match), open_archive(tmp_path / "a"):
        pass


@pytest.mark.parametrize("name", ["clip.mp4", "CLIP.MOV"])
def test_a_video_is_called_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\0\0\0\x18ftypisom")
    match = "is a video, but must be .* Extract its frames"
    with pytest.raises(UserError, match=match), open_archive(tmp_path / name):
        pass


def test_a_truncated_zip_is_an_error(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {f"{index}.png": b"x" * 100 for index in range(9)})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="not a zip that can be read"), open_archive(path):
        pass


def test_errors_inside_the_block_are_not_taken_for_a_broken_zip(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"1.png": b"x"})
    with pytest.raises(KeyError), open_archive(path):
        raise KeyError
