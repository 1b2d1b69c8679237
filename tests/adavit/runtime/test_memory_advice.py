"""Where memory ran out, each command says what it has."""

import importlib
import re

import pytest

from adavit.cli.main import COMMANDS, _options
from adavit.config.layers import build_config, parse_assignment
from adavit.config.pretraining import build_pretrain_config
from adavit.runtime.memory_advice import ADVICE, GOES_ON, out_of_memory


def options_of(name: str) -> set[str]:
    return _options(importlib.import_module(f"adavit.cli.{name}").command)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_advised_are_options_of_the_command(name: str) -> None:
    known = options_of(name)
    ways = [[name]] + ([[name, "--resume", "run"], [name, "--resume=run"]] * ("--resume" in known))
    for arguments in ways:
        line = out_of_memory(arguments)
        assert line.startswith("out of memory. Expected room for ")
        assert "\n" not in line
        assert set(re.findall(r"--[a-z-]+", line)) <= known
        build = build_pretrain_config if name == "pretrain" else build_config
        build([parse_assignment(text) for text in re.findall(r"--set ([\w.]+=\w+)", line)])


def test_advice_is_for_commands_that_there_are() -> None:
    assert ADVICE.keys() | GOES_ON.keys() <= COMMANDS.keys()


@pytest.mark.parametrize("name", ["train", "pretrain"])
def test_a_resumed_run_keeps_its_batch(name: str) -> None:
    assert "--batch" in out_of_memory([name, "--data", "x"])
    assert "--batch" not in out_of_memory([name, "--resume", "x"])
    assert ("--microbatch" in out_of_memory([name, "--resume", "x"])) == (name == "train")
    assert "(--device)" in out_of_memory([name, "--resume", "x"])


def test_without_a_command_the_line_is_whole() -> None:
    assert out_of_memory([]).endswith("close other programs.")
