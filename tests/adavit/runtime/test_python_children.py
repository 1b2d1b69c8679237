"""Folders that hold modules of somebody else's, and what Python that is started there runs of them."""

import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adavit.runtime import python_children
from adavit.runtime.launch import launch
from adavit.runtime.python_children import SAFE_PATH, starting_python
from benchmarks.house import ROOT, modules

NOT_OURS = ("random.py", "multiprocessing.py", "adavit/__init__.py", "adavit/__main__.py")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, in which modules lie that leave a trace if they are run."""
    for name in NOT_OURS:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"open({str(tmp_path / 'run')!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def ran(folder: Path) -> str:
    return (folder / "run").read_text() if (folder / "run").exists() else ""


def start() -> None:
    subprocess.run([sys.executable, "-m", "adavit", "--version"], check=True, capture_output=True)


def test_without_it_they_are_run(folder: Path) -> None:
    start()
    assert "adavit/__main__.py" in ran(folder)


@pytest.mark.parametrize("before", [None, "", "1"])
def test_with_it_none_is(folder: Path, before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SAFE_PATH, raising=False)
    if before is not None:
        monkeypatch.setenv(SAFE_PATH, before)
    with starting_python():
        start()
    assert ran(folder) == ""
    assert os.environ.get(SAFE_PATH) == before


def test_processes_of_a_run_run_none(folder: Path) -> None:
    assert launch(2, ["--version"]) == 0
    assert ran(folder) == ""


def test_a_worker_runs_none(folder: Path) -> None:
    with starting_python():
        process = multiprocessing.get_context("spawn").Process(target=os.getpid)
        process.start()
    process.join()
    assert process.exitcode == 0
    assert ran(folder) == ""


def test_a_clone_that_is_used_on_purpose_goes_on_being_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SAFE_PATH, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(python_children, "FOUND_IN", tmp_path)
    with starting_python():
        assert SAFE_PATH not in os.environ


STARTERS = [
    name
    for name, module in modules().items()
    if name.startswith("adavit.")
    and re.search(r"sys\.executable|get_context\(", (ROOT / module.path).read_text())
]


@pytest.mark.parametrize("name", STARTERS)
def test_all_that_starts_python_does_it_so(name: str) -> None:
    text = (ROOT / modules()[name].path).read_text()
    assert re.search(r"^ +(with )?starting_python\(\)[,:]$", text, re.MULTILINE), (
        f"{name} starts Python: do it within adavit.runtime.python_children.starting_python()"
    )


def test_those_that_do_are_found() -> None:
    assert {"adavit.runtime.launch", "adavit.experiments.worker_pool"} <= set(STARTERS)
