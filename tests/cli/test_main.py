import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from adavit.cli.main import COMMANDS, main
from tests.cli.conftest import Adavit

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "arguments", ["--help", "train --help", "evaluate --help", "generate --help", "--version"]
)
def test_help_is_there(adavit: Adavit, arguments: str) -> None:
    outcome = adavit(*arguments.split())
    assert outcome.code == 0
    assert "adavit" in outcome.out


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "adavit", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True)

    shown = run("--version")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == f"adavit, version {version('adavit')}\n"
    wrong = run("trian")
    assert wrong.returncode == 2
    assert "trian" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_there_and_explains_itself(adavit: Adavit, name: str) -> None:
    outcome = adavit(name, "--help")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"Usage: adavit {name} ")
    listed = adavit("--help").out.partition("Commands:")[2]
    assert re.search(rf"^  {name} ", listed, flags=re.MULTILINE)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_what_help_names_of_the_repository_is_there(adavit: Adavit, name: str) -> None:
    named = re.findall(r"\b(?:benchmarks|configs|docs)/[\w./-]*\w", adavit(name, "--help").out)
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("command", ["pretrain", "generate", "inspect run"])
def test_a_flag_of_training_is_not_taken_for_a_slip_elsewhere(adavit: Adavit, command: str) -> None:
    outcome = adavit(*command.split(), "--features", "torchvision:resnet18")
    assert outcome.code == 2
    told = "--features is an option of adavit train, which adavit"
    assert f"{told} {command.split()[0]} does not have. Leave it out." in outcome.err
    assert "Did you mean" not in outcome.err
    assert "'--features'" in adavit("train", "--featurs", "x").err
    assert "option of adavit train" not in adavit(*command.split(), "--nothing").err


@pytest.mark.parametrize(
    ("command", "flag", "remedy"),
    [
        ("ablate smoke", "--kimg", "Use --set training.total_kimg=VALUE."),
        ("sweep r1", "--freeze-d", "Use --set training.freeze_d=VALUE."),
        ("ablate smoke", "--budget", "Leave it out."),
        ("pretrain", "--mirror", "Use --set data.mirror=VALUE."),
        ("pretrain", "--budget", "Leave it out."),
        ("augment preview", "--kimg", "Leave it out."),
        ("augment preview", "--mirror", "Use --set data.mirror=VALUE."),
        ("augment preview", "--channels", "Use --set data.channels=VALUE."),
        ("augment preview", "--no-mirror", "Use --set data.mirror=false."),
        ("augment preview", "--heuristic", "Leave it out."),
        ("ablate smoke", "--no-mirror", "Use --set data.mirror=false."),
        ("sweep r1", "--no-compile", "Use --set training.compile=false."),
        ("pretrain", "--no-cond", "Use --set data.cond=false."),
        ("evaluate run", "--no-fast-reduce", "Leave it out."),
        ("evaluate run", "--kimg", "Leave it out."),
        ("ablate smoke", "--seed", "Use --seeds VALUE."),
        ("ablate smoke", "--device", "Use --devices VALUE."),
        ("sweep r1", "--seed", "Use --set run.seed=VALUE."),
        ("sweep r1", "--device", "Use --devices VALUE."),
        ("generate run", "--seed", "Use --seeds VALUE."),
    ],
)
def test_what_is_no_option_may_be_a_setting(
    adavit: Adavit, command: str, flag: str, remedy: str
) -> None:
    outcome = adavit(*command.split(), flag, "5")
    assert outcome.code == 2
    called = " ".join(word for word in command.split() if word not in ("smoke", "r1", "run"))
    assert f"adavit {called} does not have. {remedy}" in outcome.err


def test_a_part_of_a_group_is_named_for_a_flag_that_another_part_has(adavit: Adavit) -> None:
    told = "is an option of adavit train, which adavit data crop does not have. Leave it out."
    given = ["data", "crop", "photos", "--centre", "--out", "o"]
    for flag in ("--seed", "--subset"):
        outcome = adavit(*given, flag, "1")
        assert (outcome.code, f"{flag} {told}" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("trian", "Did you mean train?"),
        ("evalute", "Did you mean evaluate?"),
        ("memorization", "Did you mean memorisation?"),
        ("xyzzy", "adavit --help lists them."),
    ],
)
def test_a_mistyped_command_names_the_near_one(adavit: Adavit, typed: str, hint: str) -> None:
    outcome = adavit(typed)
    assert outcome.code == 2
    assert f"there is no command '{typed}'. {hint}" in outcome.err


@pytest.mark.parametrize(
    "command",
    [
        "generate run --out x --seeds 3 14 15",
        "generate run --seeds 3 14 15",  # without --out, which is missing too
        "interpolate run 14 --seeds 3 --out x.gif",
        "data crop pictures --centre --out x y",
    ],
)
def test_values_with_spaces_between_are_told_of_commas(adavit: Adavit, command: str) -> None:
    outcome = adavit(*command.split())
    assert outcome.code == 2
    assert "Got unexpected extra argument" in outcome.err
    assert outcome.err.count("such as --seeds 3,14,15") == 1


def test_an_unknown_word_of_training_keeps_its_own_hint(adavit: Adavit) -> None:
    outcome = adavit("train", "my_photos")
    assert "Did you mean --data my_photos?" in outcome.err
    assert "--seeds" not in outcome.err


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("", True), ("1", False)])
def test_whoever_wants_no_colours_gets_none(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    no_color: str | None,
    coloured: bool,
) -> None:
    @click.command()
    def command() -> None:
        click.secho("green", fg="green")

    monkeypatch.setattr("adavit.cli.doctor.command", command)  # the only one that has some
    monkeypatch.setattr("sys.argv", ["adavit", "doctor"])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    main()
    assert ("\x1b" in capsys.readouterr().out) == coloured
