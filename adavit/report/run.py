"""One run as the report sees it: what its directory says, checked and plain."""

import contextlib
import datetime
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adavit.config.layers import parse_yaml
from adavit.config.training import LOSSES_WITHOUT_THRESHOLD
from adavit.errors import UserError, first_line
from adavit.metrics.kinship import networks_of
from adavit.report.checked_values import check_settings, sound
from adavit.report.run_status import status_of
from adavit.runs.directory import RunDirectory
from adavit.runs.listing import named_runs
from adavit.runs.outdated import present_diagnosis, present_evaluations
from adavit.runs.reading import (
    flat_settings,
    mapping,
    number,
    read_json,
    read_text,
    read_weights_metadata,
    text,
)
from adavit.runs.records import (
    describe_damage,
    read_evaluation_log,
    read_log,
)
from adavit.runtime.console import Console, SilentConsole

Item = TypeVar("Item")
Result = TypeVar("Result")

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
        baseline: Whether others are compared with it.
        digest: Name of the cell; empty where it is not known.
        compared_with: Digest of the cell that the grid has as its baseline; empty where it has none, or has not
            said so.
        weights: Digest of the weights that its networks start from; empty where all is drawn from the seed, or it is
            not known.
    """

    grid: str
    axes: dict[str, str]
    seed: int | None
    label: str
    baseline: bool
    digest: str = ""
    compared_with: str = ""
    weights: str = ""


@dataclass(frozen=True)
class Run:
    """A run directory, read.

    Attributes:
        path: The directory.
        status: "finished", "running" (a process trains in the directory at this moment), "stopped" (it was asked to),
            "failed", "lost" (it ended without a word: killed, or the machine went down), or "pruned"
            (ended by an experiment, or without checkpoints now).
        reason: Why it failed.
        settings: The configuration, flat: `{"run.seed": 0}`; empty where it failed before there was one.
        data: `data.json`.
        environment: `environment.json`.
        stats: Lines of `stats.jsonl`, each with the number of `images`.
        metrics: Lines of `metrics.jsonl`, likewise.
        evaluations: Records of `adavit evaluate` of the generators that it has now.
        memorisation: What `adavit memorisation` has written of such a one.
        leaks: What `adavit leaks` has, likewise.
        cell: Its place in an ablation, or None.
        images: Real images seen: those of the checkpoint, since a run that stopped goes on from there;
            of one that is running, or has no checkpoint, as far as the logs know.
        started: When it began, in seconds since 1970.
        damage: Which lines of its logs are damaged and left out, in one line; empty if none is.
        outdated: Commands that find anew what is left out, since it was found of generators that it has no longer.
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
    images: int
    started: float
    damage: str
    outdated: tuple[str, ...]

    @property
    def name(self) -> str:
        """The directory's own name; what is no text in it is escaped."""
        return str(sound(self.path.name, ""))

    @property
    def seed(self) -> int:
        """The seed of all random streams; a cell that failed at once has no settings to name it."""
        seed = self.settings.get("run.seed", self.cell.seed if self.cell else None)
        return seed if isinstance(seed, int) else 0

    @property
    def has_threshold(self) -> bool:
        """Whether its loss gives the sign of a logit a meaning, and so r_t."""
        return self.settings.get("training.loss") not in LOSSES_WITHOUT_THRESHOLD

    @property
    def networks_seen(self) -> list[str]:
        """Networks trained on other images that the discriminator saw through, as settings and records say."""
        noted = self.settings.get("features.seen")
        seen = [str(name) for name in (noted if isinstance(noted, list) else ())]
        for record in (*self.metrics, *self.evaluations):
            seen += networks_of(mapping(record.get("protocol")))
        return list(dict.fromkeys(seen))

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


def collect_runs(sources: Sequence[Path], console: Console | None = None) -> list[Run]:
    """The runs of a report, each once; one that cannot be read is named and left out, as are damaged lines.

    Args:
        sources: Run directories, and folders to be searched for them.
        console: Told of what is left out, a line for each run.

    Raises:
        UserError: If a source is no folder or holds no run, or none of the runs can be read.
    """
    runs = read_soundly(named_runs(sources), read_run, lambda path: path, console)
    for run in runs:
        if run.damage:
            (console or SilentConsole()).note(run.damage)
    return runs


def read_soundly(
    items: Sequence[Item],
    read: Callable[[Item], Result],
    path_of: Callable[[Item], Path],
    console: Console | None,
) -> list[Result]:
    """What can be made of each run; one that fails is named in one line, and spoils nothing for the others.

    Args:
        items: One for each run.
        read: What is done with it.
        path_of: The directory of its run.
        console: Told of those left out.

    Raises:
        UserError: If nothing can be made of any, naming the first.
    """
    results, left_out = [], []
    for item in items:
        try:
            results.append(read(item))
        except UserError as error:
            left_out.append(f"{path_of(item)}: {first_line(error)}")
        except Exception as error:  # noqa: BLE001  strangers' files; all that is known has been refused before
            left_out.append(f"{path_of(item)}: {type(error).__name__}: {first_line(error)}")
    if left_out and not results:
        raise UserError(
            f"no run can be read, expected at least one. The first of {len(left_out)} is"
            f" {left_out[0]}"
        )
    for line in left_out:
        (console or SilentConsole()).note(f"Left out {line}")
    return results


def read_run(path: Path) -> Run:
    """Reads a run directory; what is absent or damaged beside its settings is empty in the result.

    Raises:
        UserError: If its settings cannot be read, or a file holds what no run has.
    """
    directory = RunDirectory(path)
    settings = _settings(directory.config)
    logs = {
        directory.stats: read_log(directory.stats),
        directory.metrics: read_log(directory.metrics),
        directory.evaluations: read_evaluation_log(directory.evaluations),
    }
    stats, metrics, evaluations = (
        [sound(record, log.name) for record in found.records] for log, found in logs.items()
    )
    data, environment, cell, memorisation, leaks = (
        sound(read_json(file), file.name)
        for file in (
            directory.data,
            directory.environment,
            directory.cell_note,
            directory.diagnostics.memorisation,
            directory.diagnostics.leaks,
        )
    )
    evaluations, commands = present_evaluations(directory, evaluations)
    memorisation, again = present_diagnosis(directory, memorisation, "memorisation")
    leaks, once_more = present_diagnosis(directory, leaks, "leaks")
    running = directory.is_claimed()
    images = _images_seen(directory, [*stats, *metrics], running=running)
    ending = sound(read_json(directory.ending), directory.ending.name)
    budget = sound(read_json(directory.budget), directory.budget.name)
    status = status_of(settings, metrics, cell, {**budget, **ending}, images, running=running)
    told = text(cell.get("reason")) or text(ending.get("reason")) or "no reason was recorded"
    return Run(
        path=path,
        status=status,
        reason=told if status == "failed" else "",
        settings=settings,
        data=data,
        environment=environment,
        stats=stats,
        metrics=metrics,
        evaluations=evaluations,
        memorisation=memorisation,
        leaks=leaks,
        cell=_cell(cell) if "axes" in cell else None,
        images=images,
        started=_started(directory, environment),
        damage=describe_damage({str(log): found.damaged for log, found in logs.items()}),
        outdated=(*commands, *again, *once_more),
    )


def _settings(file: Path) -> dict[str, Any]:
    """The configuration, flat; empty where there is none, as of a cell that failed before it began."""
    if not file.exists():
        return {}
    content = read_text(file)
    if content is None:
        raise UserError(f"{file.name} is not UTF-8 text. Restore it.")
    settings = sound(flat_settings(parse_yaml(content, file.name)), file.name)
    check_settings(settings, file.name)
    return dict(settings)


def _images_seen(
    directory: RunDirectory, records: Sequence[dict[str, Any]], *, running: bool
) -> int:
    logged = max((record["images"] for record in records), default=0)
    saved = None
    if directory.checkpoint.is_file():  # its own number would need torch, and seconds
        written = read_weights_metadata(directory.last_generator).get("images", "")
        saved = int(written) if re.fullmatch("[0-9]{1,15}", written) else None
    if saved is None:
        return logged
    return max(saved, logged) if running else saved


def _started(directory: RunDirectory, environment: Mapping[str, Any]) -> float:
    """What the run has noted; else when its oldest file was written."""
    with contextlib.suppress(ValueError, OverflowError):
        return datetime.datetime.fromisoformat(text(environment.get("started"))).timestamp()
    times = []
    for path in (directory.cell_note, directory.config):
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime)
    return min(times, default=0.0)


def _cell(record: dict[str, Any]) -> AblationPlace:
    axes = {str(k): _word(v) for k, v in mapping(record["axes"]).items() if k != "run.seed"}
    seed = mapping(record["axes"]).get("run.seed")
    return AblationPlace(
        grid=text(record.get("grid")) or "ablation",
        axes=axes,
        seed=seed if isinstance(seed, int) else None,
        label=text(record.get("label")) or ", ".join(axes.values()) or "cell",
        baseline=record.get("baseline") is True,
        digest=text(record.get("cell")),
        compared_with=text(record.get("compared_with")),
        weights=text(record.get("weights")),
    )


def _word(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else f"{value:g}"
        if number(value) is not None
        else str(value)
    )
