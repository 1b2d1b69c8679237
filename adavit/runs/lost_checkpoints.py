"""Runs that have trained and have no checkpoint any more: begun again at 0 they would lose what they have left."""

from pathlib import Path

from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.ending_note import is_pruned
from adavit.runs.reading import read_weights_metadata
from adavit.runs.records import read_records
from adavit.runtime.paths import quoted


def has_trained(directory: RunDirectory) -> bool:
    """Whether a log or a generator is of more than the first moment of a run, whose checkpoint is there before a step.

    A generator that does not say counts too: a kill leaves none that is damaged.
    """
    generators = [*_best_and_last(directory), *directory.kept_generators().values()]
    return any(
        record["images"] > 0
        for log in (directory.stats, directory.metrics)
        for record in read_records(log)
    ) or any(read_weights_metadata(path).get("images") != "0" for path in generators)


def check_none_lost(directory: RunDirectory) -> None:
    """Refuses a run that has no checkpoint any more, where that was removed or not copied along.

    Args:
        directory: Of a run without a checkpoint.

    Raises:
        UserError: If it ever had one with more than its beginning in it.
    """
    pruned = is_pruned(directory)
    if not pruned and not has_trained(directory):
        return
    why = "since adavit runs prune has removed them" if pruned else "though it has trained"
    remedy = "Take another run" if pruned else f"Bring its {directory.checkpoint.name} back"
    for generator in _best_and_last(directory)[:1]:
        remedy += f"; a new run starts from its generator: adavit train --transfer {quoted(str(generator))}"
    raise UserError(
        f"the run in {str(directory.path)!r} has no checkpoint any more, {why}; expected one with its networks."
        f" {remedy}."
    )


def _best_and_last(directory: RunDirectory) -> list[Path]:
    """Those that are there."""
    return [path for path in (directory.best_generator, directory.last_generator) if path.is_file()]
