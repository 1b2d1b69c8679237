import re

import click
import pytest

from adavit.cli.grouped import HEADINGS
from adavit.cli.main import COMMANDS
from adavit.cli.main import adavit as group
from adavit.config.run import RunConfig
from tests.cli.conftest import Adavit


def commands() -> dict[str, click.Command]:
    """Every command, those below a group too."""
    found = {}
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": below for inner, below in command.commands.items()}
    return found


def test_every_section_has_its_heading() -> None:
    flagged = {"generator"}  # no flag sets it
    assert set(HEADINGS) | flagged == {*RunConfig.model_fields, "pretraining"}


def test_options_stand_below_their_headings(adavit: Adavit) -> None:
    shown = adavit("train", "--help").out
    headings = re.findall(r"^(\w[\w ]*):$", shown, flags=re.MULTILINE)
    assert headings == [*dict.fromkeys(HEADINGS.values()), "Options"]
    part = shown.partition("\nTraining:\n")[2].partition("\nEvaluation")[0]
    assert re.search(r"--batch INTEGER +Real images per step\.\s+\[default: 64 \(32", part)
    assert re.search(r"--precision float32\|bf16 ", part)
    assert "--augment" not in part


@pytest.mark.parametrize("name", commands())
def test_every_option_says_what_it_is_for(name: str) -> None:
    for option in commands()[name].params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.opts} of adavit {name}"
            assert option.help[0].isupper() or option.help[0].isdigit()


@pytest.mark.parametrize("name", commands())
def test_every_command_shows_an_example(adavit: Adavit, name: str) -> None:
    shown = adavit(*name.split(), "--help").out
    assert re.search(rf"^  adavit {name.split()[0]} ?", shown, flags=re.MULTILINE)


def test_no_default_is_written_another_way(adavit: Adavit) -> None:
    for name in commands():
        shown = " ".join(adavit(*name.split(), "--help").out.split())
        bracketed = re.findall(r" \[([^\]]*)\]", shown)
        odd = [
            text
            for text in bracketed
            if not re.match(r"default: |required|[\d.]*<?=?x|[\w.|+-]+$|:P$|RUN\||SECTION", text)
        ]
        assert not odd, f"adavit {name}: {odd}"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("train pictures", " Did you mean --data pictures?"),
        ("train --set training.batch 3", " Did you mean --set training.batch=3?"),
        ("train --data x --set training.batch 3 -q", " Did you mean --set training.batch=3?"),
        ("pretrain --data x --set training.batch 3", " Did you mean --set training.batch=3?"),
        ("train --data x --set training.batch=3 3", ""),
        ("train --data=x pictures", ""),
    ],
)
def test_a_word_without_a_flag_is_told_what_it_may_be_meant_for(
    adavit: Adavit, arguments: str, meant: str
) -> None:
    outcome = adavit(*arguments.split())
    word = "pictures" if "pictures" in arguments else "3"
    assert outcome.code == 2
    assert outcome.err.strip() == f"Error: Got unexpected extra argument ({word}).{meant}"
