import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from adavit.doctor import space
from adavit.doctor.finding import Finding
from adavit.doctor.space import examine_space

ROOMY = 100e9


@pytest.fixture(autouse=True)
def roomy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ADAVIT_CACHE_GB", raising=False)
    monkeypatch.setattr(space, "weights_folder", lambda: tmp_path / "hub" / "checkpoints")
    monkeypatch.setattr(space, "free_bytes", lambda device: int(ROOMY))
    monkeypatch.setattr(space, "memory_limit", lambda: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=ROOMY))


def found() -> dict[str, Finding]:
    return {finding.name: finding for finding in examine_space()}


def test_where_there_is_room_all_is_well_and_nothing_is_left(tmp_path: Path) -> None:
    told = found()
    assert list(told) == ["memory", "disk", "runs folder", "cache", "weights folder"]
    assert {each.state for each in told.values()} == {"ok"}
    assert {each.remedy for each in told.values()} == {""}
    assert told["runs folder"].found == f"{tmp_path / 'runs'}, which is made when it is needed."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "state"), [(3e9, "ok"), (1e9, "note"), (1e8, "problem")])
def test_little_memory(monkeypatch: pytest.MonkeyPatch, free: float, state: str) -> None:
    monkeypatch.setattr(space, "free_bytes", lambda device: int(free))
    monkeypatch.setattr(space, "memory_limit", lambda: int(free))
    told = found()["memory"]
    assert told.state == state
    assert "a control group allows" in told.found
    assert bool(told.remedy) == (state != "ok")


def test_memory_that_nobody_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free_bytes", lambda device: None)
    assert found()["memory"].state == "ok"


@pytest.mark.parametrize(("free", "state"), [(6e9, "ok"), (1e9, "note"), (1e7, "problem")])
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, free: float, state: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free))
    told = found()["disk"]
    assert told.state == state
    assert ("adavit runs prune" in told.remedy) == (state != "ok")


def read_only(folder: Path) -> Callable[..., object]:
    real = tempfile.TemporaryFile

    def refused(*arguments: object, dir: Path, **keywords: object) -> object:
        if os.fspath(dir) == os.fspath(folder):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(dir=dir)

    return refused


@pytest.mark.parametrize(
    ("name", "path", "state", "advice"),
    [
        ("runs folder", "runs", "problem", "--out"),
        ("cache", "cache", "note", "ADAVIT_CACHE"),
        ("weights folder", "hub", "note", "TORCH_HOME"),
    ],
)
def test_folders_that_cannot_be_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    path: str,
    state: str,
    advice: str,
) -> None:
    (tmp_path / path).mkdir()
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only(tmp_path / path))
    told = found()
    assert [key for key, each in told.items() if each.state != "ok"] == [name]
    assert told[name].state == state
    assert "cannot be written (Read-only file system)" in told[name].found
    assert advice in told[name].remedy
    assert told[name].facts["writable"] is False


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    assert found()["runs folder"].state == "problem"


def test_a_limit_that_is_no_number_prevents_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE_GB", "much")
    told = found()["cache"]
    assert (told.state, "ADAVIT_CACHE_GB is 'much'" in told.found) == ("problem", True)
