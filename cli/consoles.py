"""Which console a command writes to, and how much it says."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console as RichConsole

from adavit.runtime.console import (
    BarConsole,
    Console,
    LineConsole,
    SilentConsole,
    TimedConsole,
    WarningConsole,
)
from adavit.runtime.place import Place
from adavit.runtime.streams import for_terminal

_KEY = "adavit.amount"


def amount(command: Callable[..., None]) -> Callable[..., None]:
    """The options --quiet and --verbose of a command that uses `console_for`."""

    def keep(context: click.Context, parameter: click.Parameter, given: bool) -> None:
        if given:
            if context.meta.get(_KEY) not in (None, parameter.name):
                raise click.UsageError("--quiet and --verbose were both given. Leave one out.")
            context.meta[_KEY] = parameter.name

    for flags, text in (
        (("-v", "--verbose"), "Print a line for all that takes time, in place of the bar."),
        (("-q", "--quiet"), "Print warnings and the result alone."),
    ):
        command = click.option(*flags, is_flag=True, expose_value=False, callback=keep, help=text)(
            command
        )
    return command


def say_written(folder: Path, names: Sequence[str]) -> None:
    """Prints which files a command has written, and where.

    Args:
        folder: As the user would name it.
        names: Of the files in it.
    """
    *others, last = names
    listed = f"{', '.join(others)} and {last}" if others else last
    click.echo(f"Wrote {listed} in {for_terminal(str(folder))}.")


@contextlib.contextmanager
def console_for(*, err: bool = False) -> Iterator[Console]:
    """A progress bar on a terminal, plain lines elsewhere; less or more with --quiet or --verbose.

    Of several processes that train together the first one prints.

    Args:
        err: Write to standard error, where standard output is for results.
    """
    stream = sys.stderr if err else sys.stdout
    context = click.get_current_context(silent=True)
    asked = None if context is None else context.meta.get(_KEY)
    if Place.here().rank:
        yield SilentConsole()
    elif asked == "quiet":
        yield WarningConsole(stream)
    elif asked == "verbose":
        yield TimedConsole(stream)
    elif not stream.isatty():
        yield LineConsole(stream)
    else:
        with BarConsole(RichConsole(file=stream, highlight=False)) as console:
            yield console
