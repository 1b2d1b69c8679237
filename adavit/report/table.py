"""The table of a report: what it holds, and its JSON, which later reports read again."""

import re
from collections.abc import Collection
from typing import Any

from pydantic import Field, ValidationError, model_validator

from adavit.config.section import ConfigModel
from adavit.errors import UserError
from adavit.evaluation.protocol import FLATTERED, key_digest

FORMAT = "adavit-report"
_NUMBER = re.compile(r" \(\d+\)$")


class Difference(ConfigModel):
    """A row's figure minus that of its baseline, over the seeds that both have."""

    mean: float
    low: float | None
    """Lower end of the 95% interval; None with a single pair."""
    high: float | None
    pairs: int = Field(ge=1)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero; a single pair says nothing."""
        return self.low is not None and self.high is not None and self.low * self.high > 0


class Figure(ConfigModel):
    """One figure of a row."""

    mean: float
    sd: float | None
    """Sample standard deviation over seeds; None with one seed."""
    by_seed: dict[str, float] = Field(min_length=1)
    difference: Difference | None = None


class Column(ConfigModel):
    """What one column holds; metrics under two protocols are two columns."""

    key: str = Field(min_length=1, max_length=200)
    """Identifies it across reports: name, statistic, and for a metric a digest of its protocol."""
    name: str
    """The metric's recorded name, or p, r_t, ..."""
    statistic: str
    """best, last, evaluated best, evaluated last, or empty."""
    meaning: str
    """A sentence for people."""
    better: str | None = Field(pattern="^(lower|higher)$")
    """Which way is better; None where neither is."""
    protocol: dict[str, Any] | None = None
    """How it was measured; None for what is no metric."""


class Row(ConfigModel):
    """One cell, over its seeds."""

    label: str
    grid: str
    axes: dict[str, str]
    baseline: bool
    compared_with: str | None
    """Label of the row that its differences are against."""
    seeds: int = Field(ge=1)
    """All that were run, those that failed too."""
    state: str = ""
    """What is not finished, e.g. "1 of 3 running"; empty where all is."""
    seen: list[str] = Field(default_factory=list)
    """Networks trained on other images that the discriminator saw through; see `adavit.metrics.kinship`."""
    flattered: list[str] = Field(default_factory=list)
    """Recorded names of the metrics that such a network flatters."""
    data: str = ""
    """What its runs were trained on: name and first digits of the fingerprint; empty where it is not known."""
    origin: str
    """Where the row is from: empty for the runs of this report, else the file merged in."""
    figures: dict[str, Figure]
    """By key of the column; absent where nothing was measured."""

    @property
    def images(self) -> str:
        """What `data` says without the name, which may be another one for the same images; empty likewise."""
        return self.data.rpartition(" ")[2]


class Failure(ConfigModel):
    """A run that failed."""

    label: str
    seed: int
    run: str
    reason: str


class Table(ConfigModel):
    """All rows, with the columns they have figures for."""

    format: str = Field(FORMAT, pattern=f"^{FORMAT}$")
    version: int = Field(1, ge=1, le=1)
    columns: list[Column]
    rows: list[Row]
    failures: list[Failure]

    @model_validator(mode="after")
    def _figures_have_columns(self) -> "Table":
        known = {column.key for column in self.columns}
        for row in self.rows:
            unknown = row.figures.keys() - known
            if unknown:
                raise ValueError(f"row {row.label!r} has figures without a column: {min(unknown)}")
        return self

    def to_json(self) -> str:
        """The table as indented JSON; the inverse of `parse_table`."""
        return self.model_dump_json(indent=2) + "\n"

    def flatters(self, column: Column) -> list[bool]:
        """Whether a column's figure is flattered, for each row that has one."""
        return [column.name in row.flattered for row in self.rows if column.key in row.figures]


def parse_table(content: str, where: str) -> Table:
    """Reads what `Table.to_json` has written.

    Args:
        content: The file's text.
        where: What to call it in an error.

    Raises:
        UserError: If it is no such table.
    """
    try:
        return Table.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][:4])
        reason = re.sub(r"\s+", " ", f"{place}: {first['msg']}" if place else first["msg"])
        raise UserError(
            f"{where} is not a table of adavit report ({reason[:160]}), expected the report.json of"
            " an earlier one. Name that file, or leave it out."
        ) from None


def merge_tables(own: Table, others: dict[str, Table], *, anyway: bool = False) -> Table:
    """One table of several; rows keep their differences and say where they are from.

    Args:
        own: The table of this report's runs.
        others: Earlier tables by the name of their origin.
        anyway: Whether figures that pretrained features flatter share columns with others.

    Raises:
        UserError: If they do in an earlier table, and may not here.
    """
    for origin, table in others.items():
        mixed = [c.name for c in table.columns if any(table.flatters(c)) and not is_flattered(c)]
        if mixed and not anyway:
            raise UserError(
                f"--merge {origin} ranks {', '.join(dict.fromkeys(mixed))} of runs with and without pretrained"
                " features in one column, expected columns of their own. Give --anyway here too, or make"
                " that report again without it."
            )
    if anyway:
        others = {origin: _in_one_column(table) for origin, table in others.items()}
    columns = {column.key: column for column in own.columns}
    rows, failures = list(own.rows), list(own.failures)
    named: set[str] = set()
    for name, table in others.items():
        for column in table.columns:
            columns.setdefault(column.key, column)
        # Those of before may be called as this one is: then each would be compared with another's baseline.
        origins: dict[str, str] = {}
        for origin in dict.fromkeys(row.origin for row in table.rows):
            origins[origin] = unique_name(origin or name, named)
            named.add(origins[origin])
        rows += [row.model_copy(update={"origin": origins[row.origin]}) for row in table.rows]
        failures += table.failures
    return Table(columns=list(columns.values()), rows=rows, failures=failures)


def unique_name(name: str, taken: Collection[str]) -> str:
    """The name, with the first number behind it that makes it unlike all that are taken."""
    plain, number = _NUMBER.sub("", name), 1
    while name in taken:
        number += 1
        name = f"{plain} ({number})"
    return name


def is_flattered(column: Column) -> bool:
    """Whether a column is of figures that pretrained features flatter, and no others."""
    return bool((column.protocol or {}).get(FLATTERED))


def _in_one_column(table: Table) -> Table:
    """The table with the columns of flattered figures being those of others."""
    renamed: dict[str, Column] = {}
    for column in table.columns:
        protocol = {k: v for k, v in (column.protocol or {}).items() if k != FLATTERED}
        key = column.key
        if is_flattered(column):
            key = f"{key.partition('@')[0]}@{key_digest(protocol)}"
        renamed[column.key] = column.model_copy(
            update={"key": key, "protocol": protocol or column.protocol}
        )
    rows = [
        row.model_copy(update={"figures": {renamed[k].key: f for k, f in row.figures.items()}})
        for row in table.rows
    ]
    columns = list({column.key: column for column in renamed.values()}.values())
    return Table(columns=columns, rows=rows, failures=table.failures)
