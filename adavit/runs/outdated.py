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
    sources = [mapping(record.get("source")) for record in records]
    names = [text(source.get("generator")) for source in sources]
    digests = {name: _digest_now(run, name) for name in set(names)}
    for record, source, name in zip(records, sources, names, strict=True):
        which = which_generator(name)
        if _differ(source.get("fingerprint"), digests[name]):
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
    generator = text(protocol.get("generator"))
    if not _differ(protocol.get("generator_digest"), _digest_now(run, generator)):
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


def _digest_now(run: RunDirectory, generator: str) -> str:
    """Of the weights that the best or last generator of a run has now; empty of another file, or one that is gone."""
    if not which_generator(generator):
        return ""
    return read_weights_metadata(run.path / generator).get(TENSORS, "")


def _differ(recorded: object, now: str) -> bool:
    """Whether something was found of other weights, as far as both digests are known."""
    return bool(text(recorded) and now) and recorded != now


def _command(name: str, run: RunDirectory, which: str) -> str:
    return f"adavit {name} {quoted(str(run.path))} --which {which}"
