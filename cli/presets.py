"""`adavit presets`."""

import click

from adavit.cli import completion
from adavit.cli.listed import as_json, print_json, print_list
from adavit.config.presets import describe_preset, shipped_presets


@click.command()
@click.argument("name", required=False, shell_complete=completion.presets)
@as_json
def command(name: str | None, as_json: bool) -> None:
    """List the presets of adavit train with a line each; of one NAME show the file.

    A file says what it takes over from its paper and what not, and what to expect of it.

    \b
    adavit presets
    adavit presets r3gan
    adavit presets --json
    """
    presets = shipped_presets() if name is None else [describe_preset(name)]
    if as_json:
        print_json(presets, without=["text"])
    elif name is not None:
        click.echo(presets[0].text, nl=False)
    else:
        print_list([(preset.name, preset.meaning) for preset in presets])
        click.echo("\nadavit presets NAME shows one; adavit train --preset NAME trains with it.")
