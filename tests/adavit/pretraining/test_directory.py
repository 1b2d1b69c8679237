from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.pretraining.directory import PretrainingDirectory
from adavit.runs.directory import RunDirectory, RunTaken


def test_it_is_there_with_its_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "new"
    directory = PretrainingDirectory.create(out, "x")
    with pytest.raises(
        UserError, match=r"has no pretraining\.pt.*begun again with the same command"
    ):
        PretrainingDirectory.open(out)
    PretrainingDirectory.check_free(out)
    directory.checkpoint.touch()
    assert PretrainingDirectory.open(out).path == out
    with pytest.raises(UserError, match="holds a pre-training"):
        PretrainingDirectory.create(out, "x")
    assert not RunDirectory(out).is_run()


def test_a_run_is_no_pretraining(tmp_path: Path) -> None:
    path = tmp_path / "a run"
    path.mkdir()
    RunDirectory(path).config.touch()
    with pytest.raises(UserError, match=f"adavit train --resume '{path}'"):
        PretrainingDirectory.open(path)


def test_only_one_process_trains_in_it(tmp_path: Path) -> None:
    with PretrainingDirectory(tmp_path).claimed(), pytest.raises(RunTaken):
        with PretrainingDirectory(tmp_path).claimed():
            pass


def test_the_log_is_cut_back(tmp_path: Path) -> None:
    directory = PretrainingDirectory(tmp_path)
    for images in (0, 16, 32):
        directory.append({"images": images})
    directory.forget_after(16)
    assert directory.log.read_text() == '{"images": 0}\n{"images": 16}\n'
