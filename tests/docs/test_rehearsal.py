"""Every command of the documents is run, in their order, and every block of Python."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import adavit
from adavit.cli.main import main
from tests.docs.documents import blocks, documents, text_of
from tests.docs.rehearsal import (
    NOT_RUN,
    RUN,
    SMALL,
    furnish,
    made_small,
    make_room,
    reason_not_to_run,
    rule_not_to_run,
)
from tests.docs.shell_lines import commands


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    cache = os.environ.get("ADAVIT_CACHE")
    before = Path.cwd()
    os.environ["ADAVIT_CACHE"] = str(folder / "cache")
    os.chdir(folder)
    try:
        furnish(folder)
        with (
            pytest.MonkeyPatch.context() as patch
        ):  # a budget of hours would take 20 s to be planned
            patch.setattr("adavit.training.within_budget.LONGEST_REHEARSAL_S", 0.1)
            yield folder
    finally:
        os.chdir(before)
        os.environ.pop("ADAVIT_CACHE")
        if cache is not None:
            os.environ["ADAVIT_CACHE"] = cache


@pytest.fixture
def furnished(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own that holds what documents name."""
    place = tmp_path / "here"
    shutil.copytree(home, place, ignore=shutil.ignore_patterns("cache"))
    monkeypatch.chdir(place)
    return place


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of the command line in this process."""
    monkeypatch.setattr("sys.argv", ["adavit", *words])
    try:
        main()
    except SystemExit as ending:
        return int(ending.code or 0)
    return 0


@pytest.fixture(scope="module")
def foreseen() -> set[tuple[str, ...]]:
    """Dry runs that went well: they leave nothing behind, so that documents need not repeat those of others."""
    return set()


@pytest.mark.slow
@pytest.mark.parametrize("document", documents())
def test_commands_of_a_document_do_what_they_are_there_for(
    document: str,
    foreseen: set[tuple[str, ...]],
    furnished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = []
    for block in blocks(text_of(document), document):
        for command in commands(block):
            words = command.of_adavit
            if words is None or reason_not_to_run(words):
                continue
            small = made_small(words)
            if tuple(small) in foreseen:
                continue
            make_room(small)
            code = run(small, monkeypatch)
            said = capsys.readouterr()
            if code:
                told = " ".join(said.err.split())[-400:]
                failed.append(f"{command.where}: {' '.join(small)}: exit code {code}: {told}")
            elif "--dry-run" in small:
                foreseen.add(tuple(small))
    assert not failed, "\n".join(failed)


LENGTH = {"kimg": 0.016, "batch": 8, "resolution": 16}


def small_train(train: Callable[..., Path]) -> Callable[..., Path]:
    """`adavit.train` with what makes it tiny over what it is given."""

    def call(config: adavit.RunConfig | None = None, **given: Any) -> Path:
        given.pop("budget", None)
        sections = {
            name: {**SMALL.get(name, {}), **given.pop(name, {})}
            for name in ("generator", "discriminator", "metrics")
        }
        if given.get("data") == "small_set":
            given["subset"] = 40
        return train(config, **{**given, **sections, **LENGTH})

    return call


@pytest.mark.slow
@pytest.mark.parametrize("document", documents())
def test_blocks_of_python_run(
    document: str, furnished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adavit, "train", small_train(adavit.train), raising=False)
    resume = adavit.resume
    monkeypatch.setattr(adavit, "resume", lambda run, **_: resume(run, kimg=0.032), raising=False)
    names: dict[str, Any] = {
        "__name__": "__main__",
        "discriminator": lambda images: F.avg_pool2d(images, images.shape[2:]).sum((1, 2, 3)),
        "images": torch.zeros(4, 3, 16, 16),
        "generated": torch.ones(4, 3, 16, 16),
    }
    for block in blocks(text_of(document), document):
        if block.language == "python":
            program = compile(block.text, f"{document}:{block.line}", "exec")
            exec(program, names)  # names of a block are there in those below it


def test_each_reason_not_to_run_is_needed() -> None:
    called = [
        words
        for document in documents()
        for block in blocks(text_of(document), document)
        for command in commands(block)
        if (words := command.of_adavit)
    ]
    rules = [rule for words in called if (rule := rule_not_to_run(words))]
    assert len(rules) < len(called) / 4
    assert [rule.pattern for rule in NOT_RUN if rule not in rules] == []


def test_what_a_rule_adds_stands_last() -> None:
    assert made_small(["data", "subset", "x", "--count", "200"])[-2:] == ["--count", "8"]
    words = ["train", "--data", "/data/photos.zip", "--processes", "8", "--out", "mine"]
    small = made_small(words)
    assert small[:5] == ["train", "--data", "data/photos.zip", "--out", "mine"]
    assert "--processes" in made_small([*words, "--dry-run"])
    assert reason_not_to_run(["studio", RUN, "--open"])
    assert not reason_not_to_run(words)


@pytest.mark.slow
def test_a_command_that_fails_is_seen(
    furnished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["generate", "runs/absent", "--seeds", "0", "--out", "drawn"], monkeypatch) == 2
    assert "runs/absent" in capsys.readouterr().err
