"""One line per run: what `adavit runs` prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.evaluation.compare import describe, field_words, protocol_letters, value_words
from adavit.evaluation.protocol import comparison_key, key_digest
from adavit.metrics.kinship import flattered_by
from adavit.metrics.names import metric_of
from adavit.report.run import Run, collect_runs, read_soundly
from adavit.runs.reading import mapping, number
from adavit.runs.records import best_record, recorded_metric
from adavit.runtime.console import Console
from adavit.runtime.disk_use import bytes_below
from adavit.runtime.paths import takes_paths


@takes_paths("folder")
def list_runs(folder: Path, console: Console | None = None) -> list[dict[str, Any]]:
    """The runs below a folder in the order in which they were started.

    Args:
        folder: Searched at any depth.
        console: Told of runs that cannot be read, which are left out.

    Returns:
        For each run `run` (its path), `status`, `data`, `discriminator`, `augmentation`, `seed`,
        `kimg` seen, `total_kimg`, `p` at the end, `metric` (recorded name of the first one) with its
        `best`, `best_kimg`, `flattered` (whether pretrained features flatter it) and `protocol` in
        words, `protocol_key`, which is equal where two figures compare, `protocol_fields`, all that it
        stands for, `discriminator_saw`, the networks trained on other images that its discriminator saw
        through, the `reason` of a failure, and `disk_bytes`, what its folder takes; None where it is not known.

    Raises:
        UserError: If there is no such folder, or no run in it that can be read.
    """
    if not folder.is_dir():
        raise UserError(
            f"there is no folder {str(folder)!r}, expected one with runs. Train one first, for"
            " example adavit train --data small_set, or name another folder."
        )
    runs = sorted(collect_runs([folder], console), key=lambda run: (run.started, str(run.path)))
    return read_soundly(runs, describe_run, lambda run: run.path, console)


def describe_run(run: Run) -> dict[str, Any]:
    """A run as plain values; see `list_runs`."""
    name = recorded_metric(run.metrics)
    best = best_record(run.metrics, name)
    fields = None if best is None else _fields(name or "", best)
    return {
        "run": str(run.path),
        "status": run.status,
        "data": run.data.get("name") or run.settings.get("data.source"),
        "discriminator": run.settings.get("discriminator.kind"),
        "augmentation": run.augmentation or (run.cell.label if run.cell else None),
        "seed": run.seed,
        "kimg": run.images / 1000,
        "total_kimg": number(run.settings.get("training.total_kimg")),
        "p": number(run.stats[-1].get("p")) if run.stats else None,
        "metric": None if best is None else name,
        "best": None if best is None else number(best[name or ""]),
        "best_kimg": None if best is None else best["images"] / 1000,
        "flattered": None if best is None else bool(flattered_by(mapping(best.get("protocol")))),
        "protocol": None if best is None else describe(mapping(best.get("protocol"))),
        "protocol_key": None if fields is None else f"{name}@{key_digest(fields)}",
        "protocol_fields": fields,
        "discriminator_saw": run.networks_seen,
        "reason": run.reason or None,
        "disk_bytes": bytes_below(run.path),
    }


def protocol_legend(runs: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """What tells the best figures of runs apart that do not compare.

    Args:
        runs: As `list_runs` has described them.

    Returns:
        By `protocol_key` a letter, and metric and protocol in words, with what they differ in where the
        words are the same; empty where all figures compare.
    """
    found = {run["protocol_key"]: run for run in runs if run["protocol_key"] is not None}
    letters = protocol_letters(len(found))
    if len(found) < 2:
        return {}
    return {
        key: (letter, f"{run['metric']}, {run['protocol']}{_what_differs(run, [*found.values()])}")
        for letter, (key, run) in zip(letters, found.items(), strict=True)
    }


def _what_differs(run: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> str:
    """The fields that tell a run's protocol from others in the same words, with their values."""
    own = run["protocol_fields"]
    alike = [
        other["protocol_fields"]
        for other in runs
        if (other["metric"], other["protocol"]) == (run["metric"], run["protocol"])
    ]
    keys = sorted({key for fields in alike for key in fields})
    differing = [key for key in keys if any(other.get(key) != own.get(key) for other in alike)]
    words = (f"{field_words(key)} {value_words(own.get(key, 'none'))}" for key in differing)
    return "".join(f"; {word}" for word in words)


def _fields(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    return comparison_key(mapping(record.get("protocol")), metric_of(name) or name)
