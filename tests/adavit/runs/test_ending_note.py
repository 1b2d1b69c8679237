import errno
import json
import signal
from pathlib import Path

import pytest

from adavit.errors import RunError
from adavit.runs.directory import RunDirectory
from adavit.runs.ending_note import ending_noted, is_pruned, note_pruned, note_why
from adavit.runtime.signals import Stopped


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (Stopped(signal.SIGTERM), "stopped", "SIGTERM"),
        (KeyboardInterrupt(), "stopped", "SIGINT"),
        (RunError("training diverged: x\nmore"), "failed", "training diverged: x"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
    ],
)
def test_why_a_run_ended_is_noted(
    tmp_path: Path, error: BaseException, status: str, reason: str
) -> None:
    directory = RunDirectory(tmp_path)
    with pytest.raises(type(error)), ending_noted(directory):
        raise error
    note = json.loads(directory.ending.read_text())
    assert (note["status"], note["reason"]) == (status, reason)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RunError("rank 1 of 2 was killed.\nmore"), "rank 1 of 2 was killed."),
        (SystemExit(1), "another of its processes has failed, and told why"),
    ],
)
def test_what_all_end_for_takes_the_place_of_what_one_has_met(
    tmp_path: Path, error: BaseException, reason: str
) -> None:
    directory = RunDirectory(tmp_path)
    with pytest.raises(RuntimeError), ending_noted(directory):
        raise RuntimeError("[pair.cc:561] Connection closed by peer")
    note_why(directory, error)
    assert json.loads(directory.ending.read_text())["reason"] == reason


def test_a_stop_and_a_run_that_goes_on_again_keep_what_they_have(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    note_why(directory, RunError("rank 1 was killed."))
    assert not directory.ending.exists()
    with pytest.raises(Stopped), ending_noted(directory):
        raise Stopped(signal.SIGTERM)
    note_why(directory, SystemExit(143))
    assert json.loads(directory.ending.read_text())["status"] == "stopped"


def test_one_that_is_trained_again_has_no_ending_any_more(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.ending.write_text("{}")
    with ending_noted(directory):
        assert not directory.ending.exists()
    assert not directory.ending.exists()


def test_a_full_disk_hides_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("adavit.runs.ending_note.write_json", full)
    with pytest.raises(RunError, match="first"), ending_noted(RunDirectory(tmp_path)):
        raise RunError("first")


def test_only_a_run_whose_checkpoints_were_removed_is_pruned(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert not is_pruned(directory)
    directory.ending.write_text('{"status": "stopped"}')
    assert not is_pruned(directory)
    note_pruned(directory)
    assert is_pruned(directory)
