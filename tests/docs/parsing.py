"""Whether a command of a document would be taken: by click's own parsing of the real commands, without calling them."""

import contextlib
import io
import re
import tomllib
from collections.abc import Sequence
from unittest import mock

import click

from adavit.cli import ablate, augment, evaluate, memorisation, options, pretrain, sweep
from adavit.cli.main import adavit
from adavit.config.layers import build_config
from adavit.config.pretraining import build_pretrain_config
from adavit.errors import UserError
from adavit.experiments.grid_file import read_grid
from adavit.experiments.sweep_file import read_sweep
from adavit.metrics.extractors.names import check_extractor
from adavit.metrics.names import check_names
from adavit.styles.numbers import parse_seeds
from tests.docs.documents import ROOT, text_of
from tests.docs.shell_lines import Command

OTHER_PROGRAMS = ("[", "apt", "cd", "eval", "export", "git", "python", "python3", "source", "ssh")
"""What else documents call, of which nothing is checked but the name."""


def fault_of(command: Command) -> str | None:
    """What is wrong with a command, in words; None if nothing can be seen without running it."""
    words, program = command.of_adavit, command.words[0].rpartition("/")[2]
    fault = _fault_of_make(command.words[1:]) if program == "make" else None
    if words is not None:
        return fault or fault_of_adavit(words)
    if program == "make":
        return fault
    if program in ("pip", "pip3"):
        return next((fault for word in command.words if (fault := fault_of_extra(word))), None)
    if program in OTHER_PROGRAMS or (ROOT / command.words[0]).is_file():
        return None
    return f"{program!r} is no program that is known here; OTHER_PROGRAMS lists them"


def fault_of_adavit(words: Sequence[str]) -> str | None:
    """As `fault_of`, of the words after `adavit`."""
    try:
        with (
            mock.patch.object(click.Command, "invoke", _instead_of_invoking),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            adavit.main(list(words), standalone_mode=False, prog_name="adavit")
    except click.ClickException as error:
        return error.format_message()
    except UserError as error:
        return str(error)
    return None


def _instead_of_invoking(command: click.Command, context: click.Context) -> None:
    """Checks what commands check first, before they import torch."""
    if isinstance(command, click.Group):
        return
    given = context.params
    settings = {name: value for name, value in given.items() if "__" in name}
    assignments = given.get("assignments", ())
    layers = options.setting_layers(
        settings, preset=given.get("preset"), assignments=assignments
    )  # a file for --config is the reader's
    if command is pretrain.command:
        build_pretrain_config(layers)
    elif command is augment.preview:
        build_config([{"augment": {"mode": "fixed", "p": 1}}, *layers])
    elif command is evaluate.command:
        check_names(given["metrics"])
        check_extractor(given["extractor"])
    elif command is memorisation.command and given["extractor"] is not None:
        check_extractor(given["extractor"])
    elif command is ablate.command and not given["grid"].endswith(".yaml"):
        seeds = None if given["seeds"] is None else parse_seeds(given["seeds"], end=2**31)
        grid = read_grid(given["grid"]).with_overrides(layers, seeds)
        for point in grid.points():
            build_config([point.settings])
    elif command is sweep.command and not given["source"].endswith(".yaml"):
        read_sweep(given["source"])
        build_config(layers)
    else:
        build_config(layers)


def _fault_of_make(words: Sequence[str]) -> str | None:
    makefile = text_of("Makefile")
    for word in words:
        name, is_variable, _ = word.partition("=")
        known = rf"^{name} \?=" if is_variable else rf"^{name}:"
        if not re.search(known, makefile, re.MULTILINE):
            return f"the Makefile has no {name}"
    return None


def fault_of_extra(requirement: str) -> str | None:
    """What is wrong with a requirement such as `adavit[video]` or `.[dev]`; None of other packages."""
    found = re.fullmatch(r"(?:adavit|\.)\[([\w,-]+)\]", requirement)
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    known = project["optional-dependencies"]
    absent = [extra for extra in (found[1].split(",") if found else ()) if extra not in known]
    return f"there is no extra {absent[0]!r}" if absent else None
