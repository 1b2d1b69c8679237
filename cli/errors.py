"""From exceptions to one line and an exit code."""

import errno
import sys
from collections.abc import Callable

import click
import torch

from adavit.errors import RunError, UserError
from adavit.training.signals import Stopped

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
    except (MemoryError, torch.OutOfMemoryError):
        _fail(
            "out of memory. Expected room for one microbatch; use a smaller --microbatch or"
            " --batch, or a lower --resolution.",
            FAILED,
        )
    except torch.AcceleratorError as error:
        _fail(f"the device failed ({str(error).splitlines()[0]}). Continue with --resume.", FAILED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has left; there is no one to tell
        sys.exit(FAILED)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _fail(
            f"the disk is full ({error.filename or 'while writing'}). Make room, then continue with"
            " --resume; the last checkpoint is good.",
            FAILED,
        )


def _fail(message: str, code: int) -> None:
    for line in message.splitlines():
        click.echo(f"Error: {line}", err=True)
    sys.exit(code)
