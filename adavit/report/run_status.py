"""How a run stands, from what its directory says: the last line of a log does not tell its end from its death."""

from collections.abc import Mapping
from typing import Any

from adavit.runs.reading import number
from adavit.runs.records import best_record, recorded_metric


def status_of(
    settings: Mapping[str, Any],
    metrics: list[dict[str, Any]],
    cell: Mapping[str, Any],
    ending: Mapping[str, Any],
    images: int,
    *,
    running: bool,
) -> str:
    """Whether a run is being trained, has come to its end, or has not.

    Args:
        settings: By `section.key`.
        metrics: Its evaluations.
        cell: What `cell.json` says, if it is a cell.
        ending: What `ending.json` and `budget.json` say.
        images: How many it has seen.
        running: Whether a process has it.

    Returns:
        As `Run.status`.
    """
    if running:
        return "running"
    if cell.get("status") in ("finished", "pruned", "failed"):
        return str(cell["status"])
    total_kimg = number(settings.get("training.total_kimg"))
    if total_kimg and images >= round(1000 * total_kimg):
        return "finished"
    if _has_lost_patience(settings, metrics, images) or _has_used_its_time(settings, ending):
        return "finished"
    told = ending.get("status")
    return str(told) if told in ("stopped", "failed", "pruned") else "lost"


def _has_used_its_time(settings: Mapping[str, Any], ending: Mapping[str, Any]) -> bool:
    """Whether the clock of the present budget has ended the run, which another budget would have begin anew."""
    budget = settings.get("run.budget")
    return budget is not None and ending.get("ended") is True and ending.get("budget") == budget


def _has_lost_patience(
    settings: Mapping[str, Any], metrics: list[dict[str, Any]], images: int
) -> bool:
    """Whether the run ended because its first metric no longer improved, as `training.trainer` does."""
    patience = number(settings.get("metrics.patience_kimg"))
    best = best_record(metrics, recorded_metric(metrics))
    if not patience or best is None or metrics[-1]["images"] != images:
        return False
    return bool((images - best["images"]) / 1000 >= patience)
