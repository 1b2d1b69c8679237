"""From exceptions to one line and an exit code."""

import errno
import signal
import sys
from collections.abc import Callable

import click

from adavit.errors import RunError, UserError
from adavit.runtime.signals import Stopped
from adavit.runtime.streams import for_terminal

MENDABLE = 2
FAILED = 1


def run_and_exit(command: Callable[[], object]) -> None:
    """Calls `command` and leaves the process with the code its outcome means.

    0 done; 2 the user can mend it; 1 it failed while running; 129, 130 and 143 after SIGHUP, SIGINT
    and SIGTERM. A reader of our output that leaves changes none of them (`adavit.runtime.streams`).
    Any other exception is a mistake of ours and keeps its traceback.
    """
    try:
        command()
        sys.stdout.flush()  # what is still to be written may not fit on the disk
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _stop("Stopped by Ctrl-C.", signal.SIGINT)
    except Stopped as stop:
        whose = "Ctrl-C" if stop.signal_number == signal.SIGINT else str(stop)
        written = f"; the checkpoint is written. Go on with: {stop.go_on}"
        _stop(f"Stopped by {whose}{'.' if stop.go_on is None else written}", stop.signal_number)
    except UserError as error:
        _fail(str(error), MENDABLE)
    except RunError as error:
        _fail(str(error), FAILED)
    except OSError as error:
        _fail_by_system(error)
    except (MemoryError, RuntimeError) as error:
        _fail_by_machine(error)


def _fail_by_system(error: OSError) -> None:
    where = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        _fail(
            f"the disk is full (while writing {where}). Expected room for the run's files; make"
            " room, then continue with --resume. What was written before is whole.",
            FAILED,
        )
    if error.errno in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
    ):
        _fail(
            f"{where} cannot be used ({error.strerror}), expected leave to use it. Check the path.",
            MENDABLE,
        )
    raise error


def _fail_by_machine(error: MemoryError | RuntimeError) -> None:
    # Torch has classes for both on an accelerator and none on a CPU; the names are compared so that
    # an error does not have to wait for torch to be imported.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    if kinds & {"MemoryError", "OutOfMemoryError"} or "can't allocate memory" in text:
        _fail(
            "out of memory. Expected room for one microbatch; use a smaller --microbatch or"
            " --batch, or a lower --resolution.",
            FAILED,
        )
    if "AcceleratorError" in kinds:
        _fail(
            f"the device failed ({text.splitlines()[0]}), expected it to work. Continue with"
            " --resume.",
            FAILED,
        )
    raise error


def _stop(message: str, signal_number: int) -> None:
    """As someone has asked: no error."""
    click.echo(for_terminal(message), err=True)
    sys.exit(128 + signal_number)


def _fail(message: str, code: int) -> None:
    for line in message.splitlines():
        click.echo(f"Error: {for_terminal(line)}", err=True)
    sys.exit(code)
