"""`adavit settings`."""

import json
import textwrap
from dataclasses import replace

import click

from adavit.cli import completion
from adavit.config.mistakes import near_key
from adavit.config.pretraining import PretrainConfig
from adavit.config.settings import Setting, json_schema, settings_of
from adavit.errors import UserError

WIDTH = 88
INDENT = "    "


def _keys(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    return completion.words([*_sections(), *_shown()], incomplete)


@click.command()
@click.argument("keys", nargs=-1, metavar="[SECTION|KEY]...", shell_complete=_keys)
@click.option("--json-schema", "schema", is_flag=True, help="Print a JSON schema, for editors.")
def command(keys: tuple[str, ...], schema: bool) -> None:
    """Print every setting with its range, its default and its meaning.

    These are the keys of --set and of the files for --config. The schema lets an editor complete
    and check such a file: put "# yaml-language-server: $schema=adavit.json" into its first line.
    It is of files for training; the section pretraining is what adavit pretrain takes besides data,
    discriminator and run.

    \b
    adavit settings
    adavit settings augment training.r1_gamma
    adavit settings --json-schema > adavit.json
    """
    if schema and keys:
        given = " ".join(keys)
        raise UserError(
            f"--json-schema is that of all settings, but {given} was given too, expected one of the two. Leave {given}"
            " out."
        )
    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return
    chosen = [setting for key in keys for setting in _find(key)] or list(_shown().values())
    click.echo("\n".join(line for setting in chosen for line in lines(setting)))


def lines(setting: Setting) -> list[str]:
    """A setting as it is printed, its meaning below its key."""
    values = setting.values + (f" {setting.bounds}" if setting.bounds else "")
    whose = f"  ({setting.whose} only)" if setting.whose else ""
    text = f"{setting.meaning} Default: {setting.default}."
    below = textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return [f"{setting.key}  {values}{whose}", *below]


def _shown() -> dict[str, Setting]:
    """By key: those of a run, then those that pre-training alone has."""
    pretraining = {
        key: replace(setting, whose="adavit pretrain")
        for key, setting in settings_of(PretrainConfig).items()
        if key.startswith("pretraining.")
    }
    return settings_of() | pretraining


def _sections() -> list[str]:
    return list(dict.fromkeys(key.partition(".")[0] for key in _shown()))


def _find(key: str) -> list[Setting]:
    found = [s for name, s in _shown().items() if key in (name, name.partition(".")[0])]
    if not found:
        near = near_key(key, [*_sections(), *_shown()])
        hint = f"Did you mean {near}?" if near else f"Sections are {', '.join(_sections())}."
        raise UserError(f"{key!r} is neither a setting nor a section of settings. {hint}")
    return found
