"""Which console a command writes to."""

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console as RichConsole

from adavit.runtime.console import BarConsole, Console, LineConsole


@contextlib.contextmanager
def console_for(*, err: bool = False) -> Iterator[Console]:
    """A progress bar on a terminal, plain lines elsewhere.

    Args:
        err: Write to standard error, where standard output is for results.
    """
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty():
        yield LineConsole(stream)
        return
    with BarConsole(RichConsole(file=stream, highlight=False)) as console:
        yield console
