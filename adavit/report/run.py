"""One run as the report sees it: what its directory says, checked and plain."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.runs.directory import RunDirectory
from adavit.runs.listing import named_runs
from adavit.runs.reading import (
    flat_settings,
    mapping,
    number,
    read_json,
    read_yaml,
    text,
)
from adavit.runs.records import best_record, read_evaluations, read_records, recorded_metric

QUIET_S = 120.0
"""A run whose log has been silent for this long, and for three of its usual intervals, has stopped."""

HEURISTICS = {"rv": " r_v", "relative": " r_relative"}
"""What is said of the heuristic that steers p; nothing of r_t, which is the usual one."""


@dataclass(frozen=True)
class AblationPlace:
    """The place of a run in an ablation.

    Attributes:
        grid: Name of the grid.
        axes: Value of each axis, as text; the seed is no axis here.
        seed: The seed on its axis; None where seeds are no axis.
        label: What the grid calls the cell.
        baseline: Whether the others are compared with it.
    """

    grid: str
    axes: dict[str, str]
    seed: int | None
    label: str
    baseline: bool


@dataclass(frozen=True)
class Run:
    """A run directory, read.

    Attributes:
        path: The directory.
        status: "finished", "running", "stopped", or "failed" or "pruned" by an experiment; that it is
            running is inferred from the age of its log.
        reason: Why it failed.
        settings: The configuration, flat: `{"run.seed": 0}`; empty where it failed before there was one.
        data: `data.json`.
        environment: `environment.json`.
        stats: Lines of `stats.jsonl`, each with the number of `images`.
        metrics: Lines of `metrics.jsonl`, likewise.
        evaluations: Records of `adavit evaluate`.
        memorisation: What `adavit memorisation` has written.
        leaks: What `adavit leaks` has written.
        cell: Its place in an ablation, or None.
    """

    path: Path
    status: str
    reason: str
    settings: dict[str, Any]
    data: dict[str, Any]
    environment: dict[str, Any]
    stats: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    memorisation: dict[str, Any]
    leaks: dict[str, Any]
    cell: AblationPlace | None

    @property
    def name(self) -> str:
        """The directory's own name."""
        return self.path.name

    @property
    def seed(self) -> int:
        """The seed of all random streams; a cell that failed at once has no settings to name it."""
        seed = self.settings.get("run.seed", self.cell.seed if self.cell else None)
        return seed if isinstance(seed, int) else 0

    @property
    def images(self) -> int:
        """Real images seen, as far as the logs know."""
        return max((record["images"] for record in self.stats + self.metrics), default=0)

    @property
    def augmentation(self) -> str:
        """The augmentation in a word or two, e.g. "none", "bgc p=0.4", "bgc adaptive".

        Not all that there is to know of it: what else differs stands beside it as settings.
        """
        mode, preset = self.settings.get("augment.mode"), self.settings.get("augment.preset")
        p = number(self.settings.get("augment.p"))
        value = "" if p is None else f" p={p:g}"
        heuristic = HEURISTICS.get(str(self.settings.get("augment.heuristic")), "")
        words = {
            "none": "none",
            "fixed": f"{preset}{value}",
            "scheduled": f"{preset} scheduled{value and ' to'}{value}",
            "ada": f"{preset} adaptive{heuristic}",
        }
        extra = "".join(f" + {name}" for name in _extra_operations(self.settings))
        return words.get(str(mode), "") + (extra if mode != "none" else "")


def _extra_operations(settings: Mapping[str, Any]) -> list[str]:
    """Operations of kornia with their multipliers; settings are flat, so that a list stands there as JSON."""
    try:
        listed = json.loads(str(settings.get("augment.extra") or "[]"))
    except ValueError:
        return []
    return [
        f"{item['operation']}:{item.get('p', 1)}"
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, dict) and isinstance(item.get("operation"), str)
    ]


def collect_runs(sources: Sequence[Path]) -> list[Run]:
    """The runs of a report, each once.

    Args:
        sources: Run directories, and folders to be searched for them.

    Raises:
        UserError: If a source is no folder or holds no run.
    """
    return [read_run(path) for path in named_runs(sources)]


def read_run(path: Path) -> Run:
    """Reads a run directory; whatever is absent or damaged in it is empty in the result."""
    directory = RunDirectory(path)
    settings = flat_settings(read_yaml(directory.config))
    stats, metrics = read_records(directory.stats), read_records(directory.metrics)
    cell = read_json(directory.cell_note)
    failed = cell.get("status") == "failed"
    return Run(
        path=path,
        status="failed" if failed else _status(directory, settings, stats, metrics, cell),
        reason=(text(cell.get("reason")) or "no reason was recorded") if failed else "",
        settings=settings,
        data=read_json(directory.data),
        environment=read_json(directory.environment),
        stats=stats,
        metrics=metrics,
        evaluations=read_evaluations(directory.evaluations),
        memorisation=read_json(directory.diagnostics.memorisation),
        leaks=read_json(directory.diagnostics.leaks),
        cell=_cell(cell) if "axes" in cell else None,
    )


def _cell(record: dict[str, Any]) -> AblationPlace:
    axes = {str(k): _word(v) for k, v in mapping(record["axes"]).items() if k != "run.seed"}
    seed = mapping(record["axes"]).get("run.seed")
    return AblationPlace(
        grid=text(record.get("grid")) or "ablation",
        axes=axes,
        seed=seed if isinstance(seed, int) else None,
        label=text(record.get("label")) or ", ".join(axes.values()) or "cell",
        baseline=record.get("baseline") is True,
    )


def _word(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else f"{value:g}"
        if number(value) is not None
        else str(value)
    )


def _status(
    directory: RunDirectory,
    settings: dict[str, Any],
    stats: list[dict[str, Any]],
    metrics: list[dict[str, Any]],
    cell: dict[str, Any],
) -> str:
    if cell.get("status") == "pruned":
        return "pruned"
    images = max((record["images"] for record in stats + metrics), default=0)
    total_kimg = number(settings.get("training.total_kimg"))
    if cell.get("status") == "finished" or (total_kimg and images >= round(1000 * total_kimg)):
        return "finished"
    if _has_lost_patience(settings, metrics, images):
        return "finished"
    seconds = [number(record.get("seconds")) or 0.0 for record in stats[-2:]]
    usual = seconds[-1] - seconds[0] if len(seconds) == 2 else 0.0
    log = directory.stats if directory.stats.is_file() else directory.config
    try:
        silence = time.time() - log.stat().st_mtime
    except OSError:
        return "stopped"
    return "running" if silence < max(QUIET_S, 3 * usual) else "stopped"


def _has_lost_patience(
    settings: dict[str, Any], metrics: list[dict[str, Any]], images: int
) -> bool:
    """Whether the run ended because its first metric no longer improved, as `training.trainer` does."""
    patience = number(settings.get("metrics.patience_kimg"))
    best = best_record(metrics, recorded_metric(metrics))
    if not patience or best is None or metrics[-1]["images"] != images:
        return False
    return bool((images - best["images"]) / 1000 >= patience)
