"""What was found of generators that a run holds no longer: training that goes on replaces their files.

Evaluations and diagnoses hold the name of the file, and the digest of the weights that they are of.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adavit.runs.directory import RunDirectory
from adavit.runs.reading import TENSORS, mapping, read_weights_metadata, text
from adavit.runtime.paths import quoted

BEST, LAST = "best", "last"
"""Generators of a run, as `--which` names them."""


def which_generator(name: object) -> str:
    """Which one of its run a generator file is by its name: `BEST`, `LAST`, or empty where it is neither."""
    names = RunDirectory(Path())
    known = {names.best_generator.name: BEST, names.last_generator.name: LAST}
    return known.get(text(name), "")


def present_evaluations(
    run: RunDirectory, records: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Parts evaluations of the generators that a run has now from those of earlier ones.

    Args:
        run: The run.
        records: Of its `evaluations.jsonl`.

    Returns:
        Those of the present generators; and the commands that evaluate the generators of which there are only others.
    """
    present, measured, earlier = [], set(), []
    for record in records:
        source = mapping(record.get("source"))
        which = which_generator(source.get("generator"))
        if _is_outdated(run, source.get("generator"), source.get("fingerprint")):
            earlier.append(which)
        else:
            present.append(record)
            measured.add(which)
    missing = [which for which in dict.fromkeys(earlier) if which not in measured]
    return present, [_command("evaluate", run, which) for which in missing]


def present_diagnosis(
    run: RunDirectory, record: dict[str, Any], command: str
) -> tuple[dict[str, Any], list[str]]:
    """The same of what `adavit memorisation` or `adavit leaks` has found.

    Args:
        run: The run.
        record: Empty where there is none.
        command: What makes it, "memorisation" or "leaks".

    Returns:
        The record, empty if it is of an earlier generator; and in that case the command that makes it anew.
    """
    protocol = mapping(record.get("protocol"))
    generator = protocol.get("generator")
    if not _is_outdated(run, generator, protocol.get("generator_digest")):
        return record, []
    return {}, [_command(command, run, which_generator(generator))]


def outdated_remark(path: str, commands: Sequence[str]) -> str:
    """Why some of what was found of a run is not shown, for a person.

    Args:
        path: Of the run.
        commands: Those that find it anew, at least one.
    """
    return (
        f"Training of {path} went on after it was measured, so what was found of its earlier generators is"
        f" left out. To find it anew: {'; '.join(commands)}."
    )


def _is_outdated(run: RunDirectory, generator: object, digest: object) -> bool:
    """Whether the best or last generator of a run has other weights now than those that something was found of.

    Nothing says so where its file is gone, as of a run that is kept for its records, or no digest was recorded.
    """
    if not which_generator(generator) or not text(digest):
        return False
    return read_weights_metadata(run.path / text(generator)).get(TENSORS, digest) != digest


def _command(name: str, run: RunDirectory, which: str) -> str:
    return f"adavit {name} {quoted(str(run.path))} --which {which}"
