"""From exceptions to one line and an exit code."""

import errno
import sys
from collections.abc import Callable

import click

from adavit.errors import RunError, UserError
from adavit.runtime.signals import Stopped

MENDABLE = 2
FAILED = 1


def run_and_exit(command: Callable[[], object]) -> None:
    """Calls `command` and leaves the process with the code its outcome means.

    0 done; 2 the user can mend it; 1 it failed while running; 130 and 143 after SIGINT and SIGTERM.
    Any other exception is a mistake of ours and keeps its traceback.
    """
    try:
        command()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped by Ctrl-C.", 130)
    except Stopped as stop:
        _fail(f"stopped by {stop}; the checkpoint is written.", 128 + stop.signal_number)
    except UserError as error:
        _fail(str(error), MENDABLE)
    except RunError as error:
        _fail(str(error), FAILED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has left; there is no one to tell
        sys.exit(FAILED)
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


def _fail(message: str, code: int) -> None:
    for line in message.splitlines():
        click.echo(f"Error: {line}", err=True)
    sys.exit(code)
