"""What stays of a finished cell when its machine is gone: settings, figures and findings in one small file, no weights.

A record becomes a run directory again, in which `adavit ablate` finds the cell finished and which `adavit report`
reads. It belongs to settings, not to a grid: a cell that several grids share is trained once. Of the machine it holds
versions and devices, but no paths.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from adavit.experiments.cell import Cell, Sources, make_cell
from adavit.experiments.cell_directory import CellDirectory
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import read_json
from adavit.runs.records import read_records
from adavit.runs.shared_names import shared_config, without_folders
from adavit.runtime.files import make_folder, mark_results, write_json, write_text

LOGGED = ("images", "p", "r_t", "r_v", "logits_train", "logits_heldout", "logits_fake", "seconds")
"""Columns of `stats.jsonl` that are kept."""

DIGITS = 6
"""Significant digits of the figures that are kept."""

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class CellRecord:
    """A finished cell.

    Attributes:
        label: What its grid calls it, for people.
        settings: The resolved configuration, by section, without `run.out`; paths are names.
        data: `data.json`.
        environment: `environment.json`.
        stats: `stats.jsonl`, the columns of `LOGGED`.
        metrics: `metrics.jsonl`.
        memorisation: `memorisation.json`, without pairs; empty where it was not measured.
        leaks: `leaks.json`, likewise.
    """

    label: str
    settings: dict[str, Any]
    data: dict[str, Any]
    environment: dict[str, Any]
    stats: Records
    metrics: Records
    memorisation: dict[str, Any]
    leaks: dict[str, Any]

    @classmethod
    def of_run(cls, path: Path) -> "CellRecord":
        """What a cell's run directory holds of it."""
        run = RunDirectory(path)
        memorisation = read_json(run.diagnostics.memorisation)
        for space in memorisation.get("spaces", {}).values():
            space.pop("closest_pairs", None)
        memorisation.pop("duplicates", None)
        settings = shared_config(yaml.safe_load(run.config.read_text(encoding="utf-8")))
        del settings["run"]["out"]
        return cls(
            label=read_json(run.cell_note)["label"],
            settings=settings,
            data=without_folders(read_json(run.data)),
            environment=read_json(run.environment),
            stats=[{key: record.get(key) for key in LOGGED} for record in read_records(run.stats)],
            metrics=read_records(run.metrics),
            memorisation=_with_named_source(memorisation),
            leaks=_with_named_source(read_json(run.diagnostics.leaks)),
        )

    @classmethod
    def read(cls, path: Path) -> "CellRecord":
        """A record as `write` has written it."""
        values = json.loads(path.read_text(encoding="utf-8"))
        protocol = values.pop("protocol")
        values["stats"] = _rows(values["stats"])
        values["metrics"] = [{**row, "protocol": protocol} for row in _rows(values["metrics"])]
        return cls(**values)

    def write(self, path: Path) -> None:
        """Writes the record, a few kB; a protocol stands there once, since a run keeps to one."""
        protocols = [record["protocol"] for record in self.metrics]
        assert all(each == protocols[0] for each in protocols), "a run measures in one way"
        figures = [{k: v for k, v in each.items() if k != "protocol"} for each in self.metrics]
        values = _rounded(
            asdict(self)
            | {
                "stats": _columns(self.stats),
                "metrics": _columns(figures),
                "protocol": protocols[0] if protocols else {},
            }
        )
        values["settings"] = self.settings  # to the bit: they decide which cell it is
        make_folder(path.parent)
        write_text(path, json.dumps(values, separators=(",", ":")) + "\n")

    def digest(self, sources: Sources) -> str:
        """The digest of the cell of these settings in this version of adavit; new settings have their defaults.

        Args:
            sources: What other cells have loaded.

        Raises:
            UserError: If they are no settings any more.
        """
        return make_cell(
            "", self.settings, axes={}, varied={}, label=self.label, sources=sources
        ).digest

    def bring_to(self, folder: Path, cell: Cell) -> Path:
        """Makes the run directory of a cell that is finished, without weights.

        Args:
            folder: Of the grid.
            cell: The grid's cell of these settings.

        Returns:
            The directory.
        """
        directory = CellDirectory(folder, cell)
        run = directory.run
        directory.make()
        mark_results(run.path)
        make_folder(run.diagnostics.path)
        write_text(run.config, yaml.safe_dump(cell.settings, sort_keys=False, allow_unicode=True))
        for log, records in ((run.stats, self.stats), (run.metrics, self.metrics)):
            write_text(log, "".join(json.dumps(record) + "\n" for record in records))
        for file, values in (
            (run.data, self.data),
            (run.environment, self.environment),
            (run.diagnostics.memorisation, self.memorisation),
            (run.diagnostics.leaks, self.leaks),
        ):
            if values:
                write_json(file, values)
        directory.write_note(
            "finished", attempts=1, worker_note="its figures were kept, no weights"
        )
        return run.path


def _with_named_source(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding about a run with the name of the run's directory instead of its path."""
    protocol = finding.get("protocol", {})
    if "source" in protocol:
        protocol["source"] = Path(protocol["source"]).name
    return finding


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns; None where a row lacks one."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _rows(columns: Mapping[str, Sequence[Any]]) -> Records:
    """The inverse, without what is None."""
    count = max(map(len, columns.values()), default=0)
    whole = ({name: column[row] for name, column in columns.items()} for row in range(count))
    return [{name: value for name, value in row.items() if value is not None} for row in whole]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
