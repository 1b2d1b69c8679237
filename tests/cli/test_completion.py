from pathlib import Path

import click
import pytest
from click.shell_completion import CompletionItem, ShellComplete

from adavit.cli import completion
from adavit.cli.main import adavit
from adavit.config.layers import preset_names
from adavit.data.known_names import NAMES


def offered(*words: str, incomplete: str = "") -> list[CompletionItem]:
    shell = ShellComplete(adavit, {}, "adavit", "_ADAVIT_COMPLETE")
    return shell.get_completions(list(words), incomplete)


def plain(items: list[CompletionItem]) -> list[str]:
    return [item.value for item in items if item.type == "plain"]


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ((), "me", ["memorisation", "metrics"]),
        (("train", "--data"), "cifar", ["cifar10", "cifar100"]),
        (("train", "--preset"), "stylegan2", ["stylegan2-ada", "stylegan2-ada-cifar"]),
        (("train", "--aug"), "", ["ada", "fixed", "scheduled", "none"]),
        (("train", "--discriminator"), "v", ["vit"]),
        (("evaluate", "x", "--data"), "st", ["stl10"]),
        (("evaluate", "x", "--extractor"), "in", ["inception"]),
        (("evaluate", "x", "--protocol"), "quick", ["quick5k"]),
        (("ablate",), "smo", ["smoke"]),
        (("presets",), "sm", ["smoke"]),
        (("leaks", "x", "--operations"), "rot", ["rotate90", "rotate"]),
        (("settings",), "training.r1", ["training.r1_gamma", "training.r1_interval"]),
    ],
)
def test_values_are_offered(words: tuple[str, ...], incomplete: str, expected: list[str]) -> None:
    assert plain(offered(*words, incomplete=incomplete)) == expected


def test_runs_are_offered_where_a_run_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("train", "--resume"), ("generate",), ("compare",), ("inspect",)):
        assert plain(offered(*command)) == [], "there is no runs/ yet"
    (tmp_path / "runs" / "00000-a").mkdir(parents=True)
    (tmp_path / "runs" / "00001-b").mkdir()
    (tmp_path / "runs" / "notes.txt").touch()
    for command in (("train", "--resume"), ("generate",), ("compare",), ("inspect",)):
        assert plain(offered(*command)) == ["runs/00000-a", "runs/00001-b"]
        assert plain(offered(*command, incomplete="runs/00001")) == ["runs/00001-b"]


def test_folders_are_offered_beside_the_commands_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "00000-a").mkdir(parents=True)
    assert plain(offered("runs")) == ["runs/00000-a", "list", "prune"]
    assert offered("runs")[0].type == "file"  # bash forgets what stands before it
    assert plain(offered("runs", incomplete="pr")) == ["prune"]
    assert plain(offered("runs", incomplete="runs/")) == ["runs/00000-a"]
    assert plain(offered("runs", "list")) == plain(offered("runs", "prune")) == ["runs/00000-a"]
    assert plain(offered("runs", incomplete="--j")) == ["--json"]
    assert plain(offered("runs", "x", incomplete="--j")) == ["--json"]
    assert plain(offered("runs", "prune", incomplete="--dry")) == ["--dry-run"]


@pytest.mark.parametrize("flag", ["--data", "--config", "--resume", "--out"])
def test_paths_are_left_to_the_shell(flag: str) -> None:
    kinds = {item.type for item in offered("train", flag, incomplete="./")}
    assert kinds & {"file", "dir"}


def test_every_name_of_data_and_preset_is_offered() -> None:
    context, option = click.Context(adavit), click.Option(["--data"])
    assert plain(completion.data(context, option, "")) == list(NAMES)
    assert plain(completion.presets(context, option, "")) == preset_names()
