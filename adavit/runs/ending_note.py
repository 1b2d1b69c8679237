"""Why a run has ended before its end, as its directory says; one that was killed has no time to say it."""

import contextlib
import datetime
from collections.abc import Iterator

from adavit.errors import first_line
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import read_json
from adavit.runtime.files import remove_file, write_json
from adavit.runtime.signals import Stopped


@contextlib.contextmanager
def ending_noted(directory: RunDirectory) -> Iterator[None]:
    """While entered, a run trains; leaves `ending.json` where it is stopped or fails, none where it comes to its end.

    Args:
        directory: Of the run; claimed by this process.
    """
    remove_file(directory.ending)
    try:
        yield
    except (Stopped, KeyboardInterrupt) as stop:
        _note(directory, "stopped", stop.signal_name if isinstance(stop, Stopped) else "SIGINT")
        raise
    except BaseException as error:
        _note(directory, "failed", first_line(error))
        raise


def note_why(directory: RunDirectory, error: BaseException) -> None:
    """Says why a run of several processes has failed, in place of what its first one has seen of it.

    Args:
        directory: Of the run; nothing is said where it has begun again since.
        error: What is told; `SystemExit`, where another process has told.
    """
    if read_json(directory.ending).get("status") == "failed":
        elsewhere = "another of its processes has failed, and told why"
        _note(
            directory, "failed", elsewhere if isinstance(error, SystemExit) else first_line(error)
        )


def note_pruned(directory: RunDirectory) -> None:
    """Says of a run that it has no checkpoint any more, so that nobody takes it for one that never had one.

    Raises:
        OSError: If it cannot be written.
    """
    _write(directory, "pruned", "its checkpoints were removed")


def is_pruned(directory: RunDirectory) -> bool:
    """Whether its checkpoints were removed on purpose."""
    return bool(read_json(directory.ending).get("status") == "pruned")


def _note(directory: RunDirectory, status: str, reason: str) -> None:
    with contextlib.suppress(OSError):  # what has failed may be the disk
        _write(directory, status, reason)


def _write(directory: RunDirectory, status: str, reason: str) -> None:
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    write_json(directory.ending, {"status": status, "reason": reason, "at": at})
