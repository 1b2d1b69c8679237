"""The run directory of processes that were launched together: made by the first of them, and found again."""

from pathlib import Path

from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import read_json
from adavit.runtime.place import Place
from adavit.runtime.process_group import ProcessGroup
from adavit.training.start.workload import Workload


def is_begun(out: Path | None, place: Place) -> bool:
    """Whether this launch has begun the run already, and all processes are started anew.

    Args:
        out: Where the run goes, as asked for.
        place: Of this process.

    Raises:
        UserError: If it could not be known.
    """
    if place.restarts and out is None:
        raise UserError(
            f"processes are started anew up to {place.restarts} times where one fails, but the run has no --out,"
            " expected a directory in which it is found again. Give one, such as --out runs/mine."
        )
    if not place.attempt or out is None or not RunDirectory(out).is_run():
        return False
    return bool(read_json(RunDirectory(out).environment).get("launch") == place.launch)


def new_directory(workload: Workload, group: ProcessGroup) -> RunDirectory:
    """A new one, which rank 0 makes; `RunDirectory.create` says what it may raise.

    Args:
        workload: Of the run.
        group: All that train it.
    """
    made = None
    if group.leads:
        made = str(RunDirectory.create(workload.config.run.out, workload.label).path)
    return RunDirectory(Path(group.world.tell(made)))
