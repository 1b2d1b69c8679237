"""`adavit doctor`."""

import dataclasses
import json
import sys
import textwrap
from collections.abc import Sequence

import click

from adavit.cli.listed import as_json, terminal_width
from adavit.doctor.examination import examine, usable
from adavit.doctor.finding import Finding, State
from adavit.runtime.streams import for_terminal

COLOURS: dict[State, str] = {"ok": "green", "note": "yellow", "problem": "red"}
INDENT = 9 * " "
WIDEST = 110


@click.command()
@click.option(
    "--no-speed",
    is_flag=True,
    help="Leave the ten seconds out in which training steps are measured.",
)
@as_json
def command(no_speed: bool, as_json: bool) -> None:
    """Look at this machine: can it train, what holds it back, and what to do about that.

    Ends with exit code 1 where something prevents training, else with 0. Nothing is downloaded, changed or left
    behind, but for the drawn small_set in the cache.

    \b
    adavit doctor
    adavit doctor --no-speed --json
    """
    found = []
    for finding in examine(speed=not no_speed):
        found.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        told = {"usable": usable(found), "findings": [dataclasses.asdict(each) for each in found]}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(f"\n{_verdict(found)}")
    if not usable(found):
        sys.exit(1)


def _print(finding: Finding) -> None:
    state = click.style(f"{finding.state:<{len(INDENT)}}", fg=COLOURS[finding.state])
    click.echo(f"{state}{finding.name}")
    for text in (finding.found, f"-> {finding.remedy}" if finding.remedy else ""):
        wrapped = textwrap.wrap(
            for_terminal(text),
            min(WIDEST, terminal_width()),
            initial_indent=INDENT,
            subsequent_indent=INDENT + 3 * " " * text.startswith("->"),
            break_long_words=False,
            break_on_hyphens=False,
        )
        click.echo("\n".join(wrapped)) if wrapped else None


def _verdict(findings: Sequence[Finding]) -> str:
    problems = [finding.name for finding in findings if finding.state == "problem"]
    if problems:
        return f"Training is prevented by: {', '.join(problems)}."
    return "This machine can train: adavit train --data small_set."
