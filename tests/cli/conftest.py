"""Runs the command line in this process, the way the installed `adavit` does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from adavit.cli.main import main

TINY = (
    "--set generator.latent_dim=8 --set generator.style_dim=8 --set generator.channel_base=64 --set"
    " generator.channel_max=8 --discriminator vit --set discriminator.width=16 --set"
    " discriminator.heads=2 --set discriminator.depth=1 --kimg 0.032 --batch 8 --fakes 20"
    " --extractor random"
).split()


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Adavit = Callable[..., Outcome]


def named_settings(command: click.Command) -> list[tuple[str, str]]:
    """Options of a command that are names for keys of the configuration, as (flag, key)."""
    return [
        (parameter.opts[0], parameter.name.replace("__", "."))
        for parameter in command.params
        if parameter.name is not None and "__" in parameter.name
    ]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def adavit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Adavit:
    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["adavit", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ending:
            code = int(ending.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(24):
        folder = tmp_path / "pictures" / ("dark" if index % 2 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        colour = rng.integers(0, 100, 3) + 150 * (index % 2 == 0)
        Image.fromarray(np.full((16, 16, 3), colour, np.uint8)).save(folder / f"{index}.png")
    return tmp_path / "pictures"


@pytest.fixture
def unforeseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan without what is foreseen, which takes a second or two."""
    monkeypatch.setattr("adavit.training.plan.foreseen_lines", lambda *_: [])
