import errno
import json
import math
import os
import re
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adavit.errors import UserError, first_line
from adavit.runtime import files
from adavit.runtime.files import (
    BUSY_S,
    check_makeable,
    final_name,
    give_second_name,
    is_unfinished,
    remove_file,
    remove_unfinished,
    unfinished_file,
    write_bytes,
    write_json,
    write_together,
)
from benchmarks.house import ROOT


@pytest.mark.parametrize(
    "name", ["fliege.png", "цветок.png", b"\xff\xfe.png".decode(errors="surrogateescape")]
)
def test_json_holds_every_name_a_file_can_have(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / "names.json", {"name": name})
    assert json.loads((tmp_path / "names.json").read_bytes()) == {"name": name}


def test_json_is_written_so_that_people_can_read_it(tmp_path: Path) -> None:
    write_json(tmp_path / "names.json", {"name": "цветок", "images": 3})
    text = (tmp_path / "names.json").read_text(encoding="utf-8")
    assert text == '{\n  "name": "цветок",\n  "images": 3\n}\n'


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\nwrong\nsecond"), "wrong"),
        (ValueError(), "ValueError"),
        (OSError(" "), "OSError"),
    ],
)
def test_what_a_library_says_becomes_one_line(error: Exception, line: str) -> None:
    assert first_line(error) == line


def test_a_file_has_its_name_only_once_it_is_complete(tmp_path: Path) -> None:
    with unfinished_file(tmp_path, ".tmp-") as (file, finish):
        file.write(b"first, ")
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.name.startswith(".tmp-")
        file.write(b"then")
        finish(tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert (tmp_path / "whole").read_bytes() == b"first, then"


def test_a_file_that_is_not_finished_vanishes_and_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"before")
    with unfinished_file(tmp_path, ".tmp-") as (file, _):
        file.write(b"half")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert (tmp_path / "whole").read_bytes() == b"before"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_replacement_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def failing(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "whole").write_bytes(b"before")
    monkeypatch.setattr(os, call, failing)
    with pytest.raises(OSError, match="No space"):
        write_bytes(tmp_path / "whole", b"after")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert (tmp_path / "whole").read_bytes() == b"before"


def held_open(monkeypatch: pytest.MonkeyPatch, call: str, refusals: float) -> list[int]:
    """Has `os.replace` or `Path.unlink` refused so often, as Windows does; returns the refusals."""
    owner = os if call == "replace" else Path
    real, refused = getattr(owner, call), list[int]()

    def refuse(*arguments: object, **options: object) -> None:
        if len(refused) < refusals:
            refused.append(1)
            raise PermissionError(13, "Access is denied", str(arguments[0]))
        real(*arguments, **options)

    now = [0.0]
    monkeypatch.setattr(owner, call, refuse)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return refused


def replace_it(path: Path) -> None:
    write_bytes(path, b"after")


def replace_it_by_another(path: Path) -> None:
    (path.parent / "other").write_bytes(b"after")
    give_second_name(path.parent / "other", path)


@pytest.mark.parametrize("replace", [replace_it, replace_it_by_another])
def test_a_file_that_another_program_has_open_is_waited_for_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: Callable[[Path], None]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    monkeypatch.setattr(sys, "platform", "win32")
    refused = held_open(monkeypatch, "replace", 3)
    replace(path)
    assert path.read_bytes() == b"after"
    assert len(refused) == 3
    refused = held_open(monkeypatch, "unlink", 3)
    remove_file(path)
    remove_file(path)
    assert len(refused) == 3
    assert not path.exists()


@pytest.mark.parametrize(("system", "patience_s"), [("win32", BUSY_S), ("linux", 0), ("darwin", 0)])
@pytest.mark.parametrize("call", ["replace", "unlink"])
def test_a_file_that_may_not_be_changed_is_an_error_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, system: str, patience_s: float
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    monkeypatch.setattr(sys, "platform", system)
    with monkeypatch.context() as patched:
        held_open(patched, call, math.inf)
        with pytest.raises(PermissionError):
            replace_it(path) if call == "replace" else remove_file(path)
        assert time.monotonic() == pytest.approx(patience_s, abs=0.2)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_every_file_is_replaced_with_that_patience() -> None:
    """None but `put_in_place` calls what fails on Windows where somebody looks at the file."""
    calls = re.compile(r"os\.(replace|rename)\(|\bpath\.(replace|rename)\(")
    found = {
        str(path.relative_to(ROOT)): len(calls.findall(path.read_text(encoding="utf-8")))
        for folder in ("adavit", "augment", "cli")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path: count for path, count in found.items() if count} == {"adavit/runtime/files.py": 1}


def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    write_bytes(tmp_path / "whole", b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("other", "whole")}
    assert len(modes) == 1


@pytest.mark.parametrize("links", [True, False])
def test_a_second_name_keeps_what_the_first_one_gets_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def link(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", link)
    write_bytes(tmp_path / "second", b"before")
    write_bytes(tmp_path / "first", b"one")
    give_second_name(tmp_path / "first", tmp_path / "second")
    give_second_name(tmp_path / "first", tmp_path / "second")  # again, after a kill
    write_bytes(tmp_path / "first", b"two")
    assert (tmp_path / "second").read_bytes() == b"one"
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_process_left_is_known_by_its_name_and_removed(tmp_path: Path) -> None:
    with unfinished_file(tmp_path, ".config.yaml.") as (file, _):
        file.flush()
        (left,) = tmp_path.iterdir()
        assert is_unfinished(left)
        kept = {tmp_path / name for name in ("whole", "mine.partial", "12-photo.partial")}
        for path in kept:
            path.write_bytes(b"")
            assert not is_unfinished(path)
        remove_unfinished(tmp_path)
        assert set(tmp_path.iterdir()) == kept
    remove_unfinished(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["stats.jsonl", "p.png", "checkpoint-1.pt"])
def test_an_unfinished_file_is_named_as_it_would_have_been(tmp_path: Path, name: str) -> None:
    with unfinished_file(tmp_path, f".{name}.") as (file, _):
        assert final_name(file.name) == str(tmp_path / name)
    assert final_name(str(tmp_path / name)) == str(tmp_path / name)


def test_a_folder_is_looked_at_without_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for fine in (Path("new"), Path("a/b/c"), tmp_path, Path("..") / tmp_path.name / "x"):
        check_makeable(fine)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file" / "x" / "y"):
        with pytest.raises(
            UserError, match=r"cannot be made or written to .* not a folder that you"
        ):
            check_makeable(wrong)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UserError, match="change its permissions"):
        check_makeable(tmp_path / "new")


def test_a_folder_that_is_hidden_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(UserError, match="cannot be made or written to"):
        check_makeable(tmp_path / "new")


def test_files_that_are_written_together_are_all_new_or_all_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / name for name in "ab"]
    write_together([(path, b"before") for path in paths])
    make = files.unfinished_file

    def full(folder: Path, prefix: str) -> Any:
        if prefix == ".b.":
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(folder, prefix)

    with monkeypatch.context() as patch:
        patch.setattr(files, "unfinished_file", full)
        with pytest.raises(OSError, match="No space"):
            write_together([(path, b"after") for path in paths])
    assert [path.read_bytes() for path in paths] == [b"before"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    write_together([(path, b"after") for path in paths])
    assert [path.read_bytes() for path in paths] == [b"after"] * 2


def test_a_file_that_comes_twice_tells_of_what_is_under_way_until_its_second_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, other = tmp_path / "note", tmp_path / "other"
    contents = [(note, b"begun"), (other, b"new"), (note, b"done")]
    write, renamed = files.put_in_place, []

    def killed(source: Path, place: Path) -> None:
        renamed.append(place)
        if len(renamed) == 3:
            raise KeyboardInterrupt
        write(source, place)

    with monkeypatch.context() as patch:
        patch.setattr(files, "put_in_place", killed)
        with pytest.raises(KeyboardInterrupt):
            write_together(contents)
    assert (note.read_bytes(), other.read_bytes()) == (b"begun", b"new")
    write_together(contents)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "note": b"done",
        "other": b"new",
    }
