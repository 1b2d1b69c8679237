import errno
import os
from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.runs import generations
from adavit.runs.checkpoint import UnusableCheckpoint, load_checkpoint
from adavit.runs.directory import RunDirectory
from adavit.runs.generation_names import generation
from adavit.runs.generations import load_newest, make_newest, save_newest


def save(directory: RunDirectory, *images: int, keep: int = 3) -> None:
    for count in images:
        save_newest(directory.checkpoint, {"images": count}, keep=keep)


def held(directory: RunDirectory) -> dict[str, int]:
    """Images of each checkpoint by its name, all files of the folder."""
    return {path.name: load_checkpoint(path)["images"] for path in directory.path.iterdir()}


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (1, {"checkpoint.pt": 5}),
        (2, {"checkpoint.pt": 5, "checkpoint-1.pt": 4}),
        (3, {"checkpoint.pt": 5, "checkpoint-1.pt": 4, "checkpoint-2.pt": 3}),
        (4, {"checkpoint.pt": 5} | {f"checkpoint-{place}.pt": 5 - place for place in (1, 2, 3)}),
        (5, {"checkpoint.pt": 5} | {f"checkpoint-{place}.pt": 5 - place for place in (1, 2, 3, 4)}),
    ],
)
def test_the_last_ones_are_kept(tmp_path: Path, keep: int, expected: dict[str, int]) -> None:
    save(RunDirectory(tmp_path), 1, 2, 3, 4, 5, keep=keep)
    assert held(RunDirectory(tmp_path)) == expected


def test_fewer_to_keep_removes_the_oldest(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    save(directory, 1, 2, 3, 4, keep=4)
    save(directory, 5, keep=2)
    assert held(directory) == {"checkpoint.pt": 5, "checkpoint-1.pt": 4}


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_the_one_before_is_there_where_the_disk_knows_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", link)
    save(RunDirectory(tmp_path), 1, 2)
    assert held(RunDirectory(tmp_path)) == {"checkpoint.pt": 2, "checkpoint-1.pt": 1}


@pytest.mark.parametrize("call", ["fsync", "replace", "link"])
@pytest.mark.parametrize("time", [1, 2, 3])
def test_a_kill_at_any_moment_leaves_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, time: int
) -> None:
    directory, real, calls = RunDirectory(tmp_path), getattr(os, call), []
    save(directory, 1, 2, 3)

    def killed(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == time:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, killed)
        try:
            save(directory, 4)
        except KeyboardInterrupt:
            pass
    newest = load_newest(directory.checkpoint)
    assert newest is not None
    assert newest.state["images"] in (3, 4)
    assert newest.path == directory.checkpoint
    assert {2, 3} <= {*held(directory).values()}  # the older generation too
    save(directory, 4, 5)
    assert held(directory) == {"checkpoint.pt": 5, "checkpoint-1.pt": 4} | {
        "checkpoint-2.pt": held(directory)["checkpoint-2.pt"]
    }


def test_a_full_disk_leaves_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = RunDirectory(tmp_path)
    save(directory, 1, 2)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(directory, 3)
    assert held(directory) == {"checkpoint.pt": 2, "checkpoint-1.pt": 1}


def test_there_is_no_newest_in_a_folder_without_any(tmp_path: Path) -> None:
    assert load_newest(RunDirectory(tmp_path).checkpoint) is None


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_one_before_is_taken_for_a_damaged_one_and_said(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    save(directory, 1, 2, 3)
    newest = load_newest(directory.checkpoint)
    assert newest is not None
    assert (newest.state["images"], newest.warning) == (3, "")
    flip(directory.checkpoint)
    generation(directory.checkpoint, 1).write_bytes(b"")
    older = load_newest(directory.checkpoint)
    assert older is not None
    assert (older.state["images"], older.path.name) == (1, "checkpoint-2.pt")
    assert older.warning == (
        f"checkpoint {str(directory.checkpoint)!r} is damaged or not a checkpoint (its"
        " content is not what was written). checkpoint-2.pt, written before it, is taken instead."
    )
    make_newest(directory.checkpoint, older.path)
    assert held(directory) == {"checkpoint.pt": 1}
    save(directory, 2)
    assert held(directory) == {"checkpoint.pt": 2, "checkpoint-1.pt": 1}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (OSError(errno.ESTALE, "Stale file handle"), "Stale file handle"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "allocate memory"),
        (MemoryError("no room"), "no room"),
    ],
    ids=str,
)
def test_one_that_cannot_be_read_now_is_not_given_up_for_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, told: str
) -> None:
    directory = RunDirectory(tmp_path)
    save(directory, 1, 2)

    def fail(*_: object, **__: object) -> None:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(torch, "load", fail)
        with pytest.raises(Exception, match=told) as caught:
            load_newest(directory.checkpoint)
    assert not isinstance(caught.value, UnusableCheckpoint)
    newest = load_newest(directory.checkpoint)
    assert newest is not None
    assert (newest.state["images"], newest.warning) == (2, "")


def test_those_before_the_one_taken_move_up_with_it(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    save(directory, 1, 2, 3)
    make_newest(directory.checkpoint, directory.checkpoint)
    assert held(directory) == {"checkpoint.pt": 3, "checkpoint-1.pt": 2, "checkpoint-2.pt": 1}
    make_newest(directory.checkpoint, generation(directory.checkpoint, 1))
    assert held(directory) == {"checkpoint.pt": 2, "checkpoint-1.pt": 1}


def test_a_checkpoint_that_is_gone_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    save(directory, 1, 2)
    directory.checkpoint.unlink()
    newest = load_newest(directory.checkpoint)
    assert newest is not None
    assert newest.state["images"] == 1
    assert newest.warning == (
        f"checkpoint {str(directory.checkpoint)!r} is gone. checkpoint-1.pt, written before it, is"
        " taken instead."
    )
    make_newest(directory.checkpoint, newest.path)
    assert held(directory) == {"checkpoint.pt": 1}


def test_where_all_are_damaged_the_newest_is_named(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    save(directory, 1, 2)
    for path in directory.checkpoints():
        flip(path)
    with pytest.raises(UserError, match=r"checkpoint\.pt' is damaged"):
        generations.load_newest(directory.checkpoint)
