"""One line per run: what `adavit runs` prints."""

import os
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.report.collect import collect_runs
from adavit.report.figures import run_figures
from adavit.report.run import Run


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """The runs below a folder, the one that was worked on last at the end.

    Args:
        folder: Searched at any depth.

    Returns:
        For each run `run` (its path), `status`, `data`, `discriminator`, `augmentation`, `seed`,
        `kimg` seen, `total_kimg`, `p` at the end, `metric` (recorded name of the first one) with its
        `best` and `best_kimg`, and the `reason` of a failure; None where it is not known.

    Raises:
        UserError: If there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise UserError(
            f"there is no folder {str(folder)!r}, expected one with runs. Train one first, for"
            " example adavit train --data small_set, or name another folder."
        )
    runs = collect_runs([folder])
    return [describe_run(run) for run in sorted(runs, key=_last_change)]


def describe_run(run: Run) -> dict[str, Any]:
    """A run as plain values; see `list_runs`."""
    figures = list(run_figures(run))
    best = next(((c, value) for c, value in figures if c.statistic == "best"), None)
    reached = None
    if best is not None:
        name, value = best[0].name, best[1]
        reached = next((r["images"] / 1000 for r in run.metrics if r.get(name) == value), None)
    return {
        "run": str(run.path),
        "status": run.status,
        "data": run.data.get("name") or run.settings.get("data.source"),
        "discriminator": run.settings.get("discriminator.kind"),
        "augmentation": run.augmentation or (run.cell.label if run.cell else None),
        "seed": run.seed,
        "kimg": run.images / 1000,
        "total_kimg": run.settings.get("training.total_kimg"),
        "p": next((value for column, value in figures if column.key == "p"), None),
        "metric": None if best is None else best[0].name,
        "best": None if best is None else best[1],
        "best_kimg": reached,
        "reason": run.reason or None,
    }


def _last_change(run: Run) -> tuple[float, str]:
    """When something was last written into the run; a log grows without its folder changing."""
    times = []
    for name in ("", "stats.jsonl", "metrics.jsonl", "cell.json"):
        try:
            times.append(os.stat(run.path / name).st_mtime)
        except OSError:
            continue
    return max(times, default=0.0), str(run.path)
