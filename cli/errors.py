"""From exceptions to one line and an exit code."""

import errno
import os
import signal
import sys
from collections.abc import Callable

import click

from adavit.errors import RunError, UserError
from adavit.runtime.device_failure import failed_device, is_device_failure
from adavit.runtime.exhaustion import is_out_of_memory
from adavit.runtime.files import final_name
from adavit.runtime.memory_advice import out_of_memory
from adavit.runtime.place import Place
from adavit.runtime.signals import Stopped
from adavit.runtime.streams import for_terminal

MENDABLE = 2
FAILED = 1

TOO_MANY_FILES = (
    "too many files are open at once for this system. Expected permission to open a few hundred;"
    " raise the limit with: ulimit -n 1024."
)


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
        if _told_by_another(error):
            sys.exit(error.exit_code)
        if _is_help(error):
            error.show()
            sys.exit(error.exit_code)
        _fail(_in_one_line(error), error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _stop("Stopped by Ctrl-C.", signal.SIGINT)
    except Stopped as stop:
        _stop(str(stop), stop.signal_number)
    except UserError as error:
        if _told_by_another(error):
            sys.exit(MENDABLE)
        _fail(str(error), MENDABLE)
    except RunError as error:
        _fail(str(error), FAILED)
    except OSError as error:
        _fail_by_system(error)
    except (MemoryError, RuntimeError, ImportError, SystemError, SyntaxError) as error:
        _fail_by_machine(error)


def _is_help(error: click.ClickException) -> bool:
    """Whether nothing was asked of a group of commands, which then lists them."""
    # By its name, since older versions of click have none of it.
    return type(error).__name__ == "NoArgsIsHelpError"


def _in_one_line(error: click.ClickException) -> str:
    """What click would say below the usage; where the words are its own, with what to do."""
    said = " ".join(error.format_message().split())
    if type(error) is click.UsageError or not isinstance(error, click.UsageError):
        return said
    help_of = "--help" if error.ctx is None else f"{error.ctx.command_path} --help"
    return f"{said} See {help_of} for what it takes."


def _fail_by_system(error: OSError) -> None:
    where = final_name(str(error.filename)) if error.filename else "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        _fail(
            f"the disk is full (while writing {where}). Expected room for what is written; make"
            " some, then go on: a run with --resume, all else with the same command. What was"
            " written before is whole.",
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
            f"{where} cannot be used ({error.strerror}), expected a file or folder that may be used. Check the path"
            " and its permissions.",
            MENDABLE,
        )
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        _fail(
            f"{where} leads nowhere ({error.strerror}), expected a path that the system can follow. Correct it.",
            MENDABLE,
        )
    if error.errno in (errno.ENOLCK, errno.ENOSYS):
        _fail(
            f"{where} cannot be locked ({error.strerror}), expected a file system with locks, so that no two processes"
            " train in one folder. Take a folder on another disk, or have the lock service of this one started.",
            MENDABLE,
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        _fail(TOO_MANY_FILES, FAILED)
    if error.errno == errno.ENOMEM:
        _fail(out_of_memory(sys.argv[1:]), FAILED)
    if error.errno is None or error.strerror is None:
        _fail_by_machine(error)  # of a library, which means something else by it
    _fail(
        f"the system refuses {where} ({error.strerror}), expected it to work. Check the path, the"
        " disk and its connection; what was written before is whole.",
        FAILED,
    )


def _fail_by_machine(error: Exception) -> None:
    # By its name, as in `adavit.runtime.exhaustion`.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text, within = str(error), error.__context__
    if isinstance(within, OSError) and within.errno == errno.ELOOP:  # pathlib before Python 3.13
        _fail_by_system(within)
    misread = "SyntaxError" in kinds and _memory_is_limited()  # Python's parser, when it runs out
    if misread or is_out_of_memory(error):
        error.__traceback__ = None  # what its frames hold makes room for the message
        _fail(out_of_memory(sys.argv[1:]), FAILED)
    if os.strerror(errno.EMFILE) in text:
        _fail(TOO_MANY_FILES, FAILED)
    if is_device_failure(error):
        _fail(
            f"{failed_device(error)} Restart the program, with --device cpu where it fails again; a training run goes"
            " on with --resume.",
            FAILED,
        )
    raise error


def _memory_is_limited() -> bool:
    try:
        import resource
    except ImportError:  # Windows
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _stop(message: str, signal_number: int) -> None:
    """As someone has asked: no error."""
    click.echo(for_terminal(message), err=True)
    sys.exit(128 + signal_number)


def _told_by_another(error: Exception) -> bool:
    """Whether the first process of this machine tells the same: nothing but the command was looked at yet.

    That is so of a run alone, which all of them make. What a process alone has found has its name as a note
    (`adavit.runtime.peers`).
    """
    if sys.argv[1:2] != ["train"] or bool(getattr(error, "__notes__", ())):
        return False
    try:
        return Place.here().local_rank > 0
    except UserError:  # of which each of them tells
        return False


def _fail(message: str, code: int) -> None:
    whose = "".join(f"{note}: " for note in getattr(sys.exc_info()[1], "__notes__", ()))
    for line in message.splitlines():
        click.echo(f"Error: {for_terminal(whose + line)}", err=True)
    sys.exit(code)
