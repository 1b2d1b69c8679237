"""What the claims are asked of: for each place in the grids the outcomes that there are, by seed."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from adavit.experiments.cell import cells_of
from adavit.experiments.grid_file import SEED, Grid, read_grid
from adavit.runs.records import is_untrained
from benchmarks.claims.cell_record import CellRecord

METHODS, GROUPS, PROBABILITY, LEAKS = (
    "few-images-cpu",
    "few-images-groups-cpu",
    "few-images-probability-cpu",
    "few-images-leaks-cpu",
)
GRIDS = (LEAKS, PROBABILITY, GROUPS, METHODS)
"""In the order in which they are run: the smaller ones tell something sooner, and share cells with the larger ones."""

FIGURE = "fd_drawn"

ON_AXIS = ("method", "group", "probability")
"""Axes of the four grids on which cells are compared; the others are discriminator, images and seed."""

SMOOTHED = 3
"""Values that a running median is of."""


class Place(NamedTuple):
    """A place in a grid, without the seed.

    Attributes:
        grid: Its name.
        discriminator: "resnet" or "vit".
        images: Trained on.
        cell: The value on the axis on which cells are compared.
    """

    grid: str
    discriminator: str
    images: int
    cell: str


@dataclass(frozen=True)
class Outcome:
    """What came out of one cell.

    Attributes:
        curve: `fd_drawn` as (kimg, figure); that of the untrained network only where there is no other.
        recognised: Share of the images of the last evaluation that show a kind.
        heuristics: (kimg, r_t, r_v) over the run; what was not measured is None.
        nearness: Median distance in features to the nearest training image: that of generated images over that of real
            ones not trained on. Below 1 they are nearer; None where it was not measured.
        close: Share of generated images that are closer than the first per cent of training images to each other.
        leaks: Estimated share of generated images that show an operation, by operation.
    """

    curve: Sequence[tuple[float, float]]
    recognised: float
    heuristics: Sequence[tuple[float, float | None, float | None]] = ()
    nearness: float | None = None
    close: float | None = None
    leaks: Mapping[str, float] | None = None

    @property
    def best(self) -> float:
        """The lowest distance, as is published."""
        return min(figure for _, figure in self.curve)

    @property
    def last(self) -> float:
        """The distance at the end."""
        return self.curve[-1][1]

    @classmethod
    def of_record(cls, record: CellRecord) -> "Outcome":
        """Of what was kept of a cell."""
        trained = [each for each in record.metrics if not is_untrained(each)] or record.metrics
        space = record.memorisation.get("spaces", {}).get("features", {})
        generated, heldout = (
            (space.get(side) or {}).get("median") for side in ("generated", "heldout")
        )
        return cls(
            curve=[(each["images"] / 1000, each[FIGURE]) for each in trained],
            recognised=record.metrics[-1]["recognised"],
            heuristics=[
                (each["images"] / 1000, each.get("r_t"), each.get("r_v")) for each in record.stats
            ],
            nearness=generated / heldout if generated and heldout else None,
            close=(space.get("generated") or {}).get("share_closer"),
            leaks={
                entry["operation"]: entry["rate"]["value"]
                for entry in record.leaks.get("operations", ())
            },
        )


Results = Mapping[Place, Mapping[str, Outcome]]
"""By place, then by seed; a place of which nothing is known yet has none."""


def results_of(records: Mapping[str, CellRecord]) -> Results:
    """Every place of the grids with the outcomes that there are.

    Args:
        records: By the digest of their cell.
    """
    found: dict[Place, dict[str, Outcome]] = {}
    for name in GRIDS:
        grid = read_grid(name)
        for cell in cells_of(grid):
            outcomes = found.setdefault(place_of(grid, cell.axes), {})
            if cell.digest in records:
                outcomes[str(cell.axes[SEED])] = Outcome.of_record(records[cell.digest])
    return found


def cells_with_records(records: Mapping[str, CellRecord]) -> tuple[int, int]:
    """How many cells of the four grids have a record, and how many there are; one that several grids share is one.

    Args:
        records: By the digest of their cell.
    """
    digests = {cell.digest for name in GRIDS for cell in cells_of(read_grid(name))}
    return len(digests & records.keys()), len(digests)


def place_of(grid: Grid, axes: Mapping[str, Any]) -> Place:
    """Where a cell stands.

    Args:
        grid: One of the four.
        axes: Of the cell.
    """
    images = axes.get("data.subset", grid.base["data"].get("subset"))
    cell = next(axes[axis] for axis in ON_AXIS if axis in axes)
    return Place(grid.name, str(axes["discriminator"]), int(images), str(cell))


def figures(outcomes: Mapping[str, Outcome], attribute: str) -> dict[str, float]:
    """One figure of each seed that has it.

    Args:
        outcomes: By seed.
        attribute: Of `Outcome`.
    """
    values = {seed: getattr(each, attribute) for seed, each in outcomes.items()}
    return {seed: value for seed, value in values.items() if value is not None}


def running_median(values: Sequence[float | None]) -> list[float | None]:
    """The median of `SMOOTHED` values up to each one, without what is None; one line of a log is noise."""
    smooth: list[float | None] = []
    for end in range(1, len(values) + 1):
        known = [value for value in values[max(0, end - SMOOTHED) : end] if value is not None]
        smooth.append(statistics.median(known) if known else None)
    return smooth
