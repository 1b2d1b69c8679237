"""`adavit studio`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of 127.0.0.1 that the page is at.  [default: any free one]",
)
@click.option(
    "--open/--no-open",
    "open_page",
    default=False,
    help="Open the page in the browser of this machine.  [default: print its address]",
)
@click.option(
    "--directions",
    type=click.Path(path_type=Path),
    shell_complete=completion.files,
    help="Sliders for the directions of this file, which adavit directions has written.  [default: six by SeFa]",
)
@options.which
@options.device
@amount
def command(source: str, **given: Any) -> None:
    """Explore SOURCE, a run or a generator file, in a browser: seeds, truncation, directions, mixed styles.

    The page is at an address of this machine alone, with a random token in it, and needs no internet. Ctrl-C ends it.
    For a generator on another machine choose a port and forward it: ssh -L 8000:localhost:8000 HOST.

    \b
    adavit studio runs/00000-small_set-resnet-bgc --open
    adavit studio runs/00000-small_set-resnet-bgc --directions directions/directions.safetensors --port 8000
    """
    from adavit.serving.studio import studio

    given = {key: value for key, value in given.items() if value is not None}
    with console_for() as console:
        studio(source, console=console, **given)
