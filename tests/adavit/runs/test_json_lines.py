import os
from pathlib import Path
from typing import IO, Any

import pytest

from adavit.runs import json_lines
from adavit.runs.json_lines import append_record, keep_lines, read_json_lines


def test_an_appended_record_stands_on_a_line_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append_record(log, {"images": 8})
    with log.open("a") as file:
        file.write('{"images": 1')  # what a kill leaves
    append_record(log, {"images": 16})
    assert log.read_text() == '{"images": 8}\n{"images": 1\n{"images": 16}\n'


def test_a_record_is_on_the_disk_before_a_checkpoint_can_refer_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def fsync(handle: int) -> None:
        synced.append((os.fstat(handle).st_ino, os.fstat(handle).st_size))

    monkeypatch.setattr(json_lines.os, "fsync", fsync)
    append_record(tmp_path / "log", {"images": 8})
    state = (tmp_path / "log").stat()
    assert synced == [(state.st_ino, state.st_size)]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff\xfe", b"[" * 99_999])
def test_what_is_no_object_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(b'{"a": 1}\n' + content + b'\n{"b": 2}\n')
    assert read_json_lines(tmp_path / "a") == [{"a": 1}, {"b": 2}]


def test_there_are_no_lines_in_what_is_no_file(tmp_path: Path) -> None:
    assert read_json_lines(tmp_path) == read_json_lines(tmp_path / "nothing") == []


def test_only_the_end_of_a_line_ends_a_record(tmp_path: Path) -> None:
    text = '{"a": "one\u2028two\x85three"}\n{"b": 1}\r\n'
    (tmp_path / "a").write_bytes(text.encode())
    assert read_json_lines(tmp_path / "a") == [{"a": "one\u2028two\x85three"}, {"b": 1}]


def test_a_log_is_closed_before_another_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses it otherwise."""
    log = tmp_path / "log"
    append_record(log, {"images": 8})
    opened: list[IO[Any]] = []
    open_, replace = Path.open, os.replace

    def remembered(path: Path, *arguments: Any) -> IO[Any]:
        opened.append(open_(path, *arguments))
        return opened[-1]

    def checked(source: Path, target: Path) -> None:
        assert target == log
        assert len(opened) == 2
        assert all(file.closed for file in opened)
        replace(source, target)

    monkeypatch.setattr(Path, "open", remembered)
    monkeypatch.setattr(os, "replace", checked)
    assert keep_lines(log, lambda record: False) == []
    monkeypatch.undo()
    assert log.read_bytes() == b""


def test_wanted_lines_stay_as_they_are_to_the_byte(tmp_path: Path) -> None:
    lines = [b'{"n":1,  "x": 1e400}', b'{"n": 2}', b"", b"[3]", b'{"m": 4}', b'{"n": 5, "y": null}']
    (tmp_path / "a").write_bytes(b"\n".join(lines))
    damaged = keep_lines(tmp_path / "a", lambda r: r["n"] != 2 if "n" in r else None)
    assert damaged == [4, 5]
    assert (tmp_path / "a").read_bytes() == lines[0] + b"\n" + lines[5] + b"\n"
