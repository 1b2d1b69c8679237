"""Why a run has ended before its end, as its directory says; one that was killed has no time to say it."""

import contextlib
import datetime
from collections.abc import Iterator

from adavit.errors import first_line
from adavit.runs.directory import RunDirectory
from adavit.runtime.files import write_json
from adavit.runtime.signals import Stopped


@contextlib.contextmanager
def ending_noted(directory: RunDirectory) -> Iterator[None]:
    """While entered, a run trains; leaves `ending.json` where it is stopped or fails, none where it comes to its end.

    Args:
        directory: Of the run; claimed by this process.
    """
    directory.ending.unlink(missing_ok=True)
    try:
        yield
    except (Stopped, KeyboardInterrupt) as stop:
        _note(directory, "stopped", str(stop) or "SIGINT")
        raise
    except BaseException as error:
        _note(directory, "failed", first_line(error))
        raise


def _note(directory: RunDirectory, status: str, reason: str) -> None:
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    with contextlib.suppress(OSError):  # what has failed may be the disk
        write_json(directory.ending, {"status": status, "reason": reason, "at": at})
