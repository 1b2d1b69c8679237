"""Finding runs: named ones, and those at any depth below a folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import read_json


def named_runs(sources: Sequence[Path]) -> list[Path]:
    """The run directories that sources stand for, each once.

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
    return list(found.values())


def find_runs(folder: Path) -> list[Path]:
    """Run directories below a folder, itself included, in the order of their paths.

    Links to folders are not followed, so that a circle ends.
    """
    found = []
    for path, folders, _ in os.walk(folder):
        folders.sort()
        if _is_listed(RunDirectory(Path(path))):
            found.append(Path(path))
            folders.clear()  # a run holds samples and diagnostics, not runs
    return found


def _is_listed(directory: RunDirectory) -> bool:
    """Whether a folder nobody has named is a run, or a cell of an ablation that never became one."""
    # Other programs write a config.yaml too.
    others = (directory.stats, directory.data, directory.environment)
    if directory.is_run() and any(other.is_file() for other in others):
        return True
    return "axes" in read_json(directory.cell_note)
