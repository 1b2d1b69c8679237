"""Finding runs: named ones, and those at any depth below a folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from adavit.errors import UserError
from adavit.report.run import Run, is_run, read_run


def find_runs(folder: Path) -> list[Path]:
    """Run directories below a folder, itself included, in the order of their paths.

    Links to folders are not followed, so that a circle ends.
    """
    found = []
    for path, folders, _ in os.walk(folder):
        folders.sort()
        if is_run(Path(path)):
            found.append(Path(path))
            folders.clear()  # a run holds samples and diagnostics, not runs
    return found


def collect_runs(sources: Sequence[Path]) -> list[Run]:
    """The runs of a report, each once.

    Args:
        sources: Run directories, and folders to be searched for them.

    Raises:
        UserError: If a source is no folder or holds no run.
    """
    found: dict[Path, Path] = {}
    for source in sources:
        if not source.is_dir():
            raise UserError(
                f"{str(source)!r} is not a folder, expected a run directory or a folder of runs."
                " Check the path; adavit runs lists what there is."
            )
        paths = find_runs(source)
        if not paths:
            raise UserError(
                f"{str(source)!r} holds no run, expected folders that adavit train or adavit ablate"
                " has made. Check the path; adavit runs lists what there is."
            )
        for path in paths:
            found.setdefault(path.resolve(), path)
    return [read_run(path) for path in found.values()]
