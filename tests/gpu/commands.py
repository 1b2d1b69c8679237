"""The command line in this process, for fixtures that outlive a test too."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said on both streams."""

    code: int
    text: str


def run(*arguments: object) -> Ended:
    """Calls the command line as the installed `adavit` does."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["adavit", *map(str, arguments)])
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = 0
            try:
                main()
            except SystemExit as ending:
                code = int(ending.code or 0)
    return Ended(code, said.getvalue())


def succeed(*arguments: object) -> str:
    """What a command said that must end well."""
    ended = run(*arguments)
    assert ended.code == 0, f"{arguments}: {ended.text}"
    return ended.text


def named(device: torch.device) -> str:
    """What `--device` calls it; the stand-in goes by the name of what it stands for."""
    return "cpu" if device.type == "cpu" else "cuda"


@contextlib.contextmanager
def within(folder: Path) -> Iterator[None]:
    """Runs in a folder with a cache of its own, where fixtures of a module need one."""
    here = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAVIT_CACHE", str(folder / "cache"))
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)


def apart(one: Path, other: Path, part: str) -> float:
    """Norm of the difference of two runs' weights, relative to their norm."""
    states: list[dict[str, Any]] = [
        torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")[part]
        for run in (one, other)
    ]
    assert states[0].keys() == states[1].keys()
    vectors = [
        torch.cat([value.double().flatten() for value in state.values()]) for state in states
    ]
    return float((vectors[0] - vectors[1]).norm() / vectors[1].norm())
