from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from adavit.cli import options
from adavit.config.layers import merge, read_preset
from adavit.errors import UserError


def called(*decorators: options.Option, arguments: list[str]) -> dict[str, Any]:
    """What a command with these options is called with."""
    found: dict[str, Any] = {}

    def body(**values: Any) -> None:
        found.update(values)

    command = click.command()(options.in_order(*decorators)(body))
    outcome = CliRunner().invoke(command, arguments)
    assert outcome.exit_code == 0, outcome.output
    return found


def test_a_setting_that_is_not_given_is_no_setting() -> None:
    batch = options.setting("--batch", "training.batch", "")
    switch = options.setting("--cond/--no-cond", "data.cond", "")
    values = called(batch, switch, arguments=[])
    assert options.setting_layers(values) == []
    values = called(batch, switch, arguments=["--no-cond"])
    assert options.setting_layers(values) == [{"data": {"cond": False}}], "False was given"
    values = called(batch, switch, arguments=["--batch", "4", "--cond"])
    assert options.setting_layers(values) == [
        {"training": {"batch": "4"}},
        {"data": {"cond": True}},
    ]


def test_layers_stand_from_preset_to_flag(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training: {batch: 3}")
    layers = options.setting_layers(
        {"training__batch": "5"},
        preset="smoke",
        config=file,
        assignments=("training.batch=4", "run.seed=7"),
    )
    assert layers == [
        read_preset("smoke"),
        {"training": {"batch": 3}},
        {"training": {"batch": 4}},
        {"run": {"seed": 7}},
        {"training": {"batch": "5"}},
    ]
    assert merge(*layers)["training"]["batch"] == "5"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: options.setting_layers({}, preset="smok"), "smok"),
        (lambda: options.setting_layers({}, config=Path("nothing.yaml")), "nothing.yaml"),
        (lambda: options.setting_layers({}, assignments=("batch=3",)), "SECTION.KEY=VALUE"),
    ],
)
def test_what_gives_no_settings_is_named(layers: Callable[[], Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        layers()


def test_options_stand_in_the_help_as_they_are_listed() -> None:
    command = click.command()(
        options.in_order(options.data, options.run_settings, options.config)(lambda: None)
    )
    flags = [parameter.opts[0] for parameter in command.params]
    assert flags == ["--data", "--seed", "--device", "--config"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [([], None), (["--names", ""], []), (["--names", " fid, ,kid,"], ["fid", "kid"])],
)
def test_a_list_with_commas(given: list[str], expected: list[str] | None) -> None:
    names = click.option("--names", callback=options.words)
    assert called(names, arguments=given) == {"names": expected}


def test_options_of_many_runs_reach_their_command() -> None:
    values = called(
        options.experiment("[there]"), arguments=["--devices", "cuda:0, cuda:1", "--set", "a.b=1"]
    )
    assert values == {
        "data__source": None,
        "assignments": ("a.b=1",),
        "out": None,
        "workers": None,
        "processes": None,
        "devices": ["cuda:0", "cuda:1"],
        "storage": None,
        "retry_failed": False,
        "dry_run": False,
    }
