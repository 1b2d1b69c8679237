import hashlib
import os
from pathlib import Path

import pytest

from adavit.importing import reader
from adavit.importing.reader import read_pickle
from adavit.importing.records import UnreadablePickle


def test_a_pickle_is_read_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04K\x07.")
    found = read_pickle(path)
    assert (found.value, found.digest) == (7, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"PK\x03\x04....", "zip archive, as torch.save writes"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of a Git LFS file"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89PNG\r\n", "an image"),
        (b"\x08" + bytes(7) + b'{"a": 1}' + bytes(20), "safetensors"),
        (b"hello", "no pickle's opcode|damaged|cut"),
    ],
)
def test_something_else_is_told_by_what_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(UnreadablePickle, match=told):
        read_pickle(path)


def test_a_file_is_regular_and_not_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LARGEST_FILE_BYTES", 1000)
    (tmp_path / "large.pkl").write_bytes(b"N" * 1001)
    with pytest.raises(UnreadablePickle, match="it has over 0 MB"):
        read_pickle(tmp_path / "large.pkl")
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(OSError, match="pipe"):
        read_pickle(tmp_path / "pipe.pkl")
