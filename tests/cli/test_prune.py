from pathlib import Path

import pytest

from adavit.runs.checkpoint import checkpoint_bytes
from tests.adavit.report.synthetic import write_run
from tests.cli.conftest import Adavit

NAMES = (
    "checkpoint.pt",
    "checkpoint-1.pt",
    "generator-best.safetensors",
    "generator-last.safetensors",
)


@pytest.fixture(autouse=True)
def runs(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        path = write_run(tmp_path / "runs" / name)
        for file in NAMES:
            (path / file).write_bytes(checkpoint_bytes({}))
    return tmp_path / "runs"


def older(runs: Path) -> list[bool]:
    return [(runs / name / "checkpoint-1.pt").exists() for name in ("a", "b")]


def test_a_dry_run_lists_and_removes_nothing(adavit: Adavit, runs: Path) -> None:
    outcome = adavit("runs", "prune", "--all", "--dry-run")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert [lines[0], lines[2]] == ["runs/a", "runs/b"]
    assert lines[1].split()[:1] == ["checkpoint-1.pt"]
    assert lines[-1].startswith("Would remove 2 files of 2 runs, ")
    assert older(runs) == [True, True]


def test_it_is_asked_for(adavit: Adavit, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, left in (("n", [True, True]), ("y", [False, True])):
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _, answer=answer: answer)
        outcome = adavit("runs", "prune", "runs/a")
        assert outcome.code == 0, outcome.err
        assert outcome.out.splitlines()[-1].startswith("Removed " if answer == "y" else "Nothing")
        assert older(runs) == left


@pytest.mark.parametrize(
    ("given", "code", "last"),
    [(EOFError, 0, "Nothing was removed."), (KeyboardInterrupt, 130, "Stopped by Ctrl-C.")],
)
def test_an_answer_that_does_not_come_removes_nothing(
    adavit: Adavit,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: type[BaseException],
    code: int,
    last: str,
) -> None:
    def answer(_: str) -> str:
        raise given

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    outcome = adavit("runs", "prune", "runs/a")
    assert outcome.code == code
    assert (outcome.out + outcome.err).splitlines()[-1] == last
    assert older(runs) == [True, True]


def test_without_a_terminal_it_takes_yes(adavit: Adavit, runs: Path) -> None:
    refused = adavit("runs", "prune", "--all")
    assert refused.code == 2
    assert "there is no terminal to ask on, expected --yes" in refused.err
    assert older(runs) == [True, True]
    assert adavit("runs", "prune", "--all", "--yes").code == 0
    assert older(runs) == [False, False]
    assert adavit("runs", "prune", "--all").out == "Nothing to remove in 2 runs.\n"


def test_only_what_is_old(adavit: Adavit, runs: Path) -> None:
    outcome = adavit("runs", "prune", "--all", "--older-than", "30d", "--yes")
    assert outcome.out == "Nothing to remove: something was written in every run since then.\n"
    assert older(runs) == [True, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name runs, or folders of runs, or give --all"),
        (["runs/a", "--all"], "name runs, or folders of runs, or give --all"),
        (
            ["--all", "--older-than", "soon"],
            "--older-than: 'soon' is not a span of time, expected numbers with w, d",
        ),
        (["--all", "--keep", "first"], "--keep names 'first', expected best, last or every:KIMG"),
        (["--all", "--keep", ""], "--keep is empty"),
        (["nothing"], "'nothing' is not a folder"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_code_2(
    adavit: Adavit, arguments: list[str], message: str
) -> None:
    outcome = adavit("runs", "prune", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
