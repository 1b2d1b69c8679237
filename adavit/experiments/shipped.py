"""The grids and sweeps that are shipped, each as its file describes it."""

from dataclasses import dataclass

from adavit.experiments.grid_file import grid_names, read_grid
from adavit.experiments.sweep_file import read_sweep, sweep_names
from adavit.runtime.file_heads import first_clause


@dataclass(frozen=True)
class ShippedExperiment:
    """A grid or a sweep.

    Attributes:
        name: As the command takes it.
        kind: "grid" or "sweep".
        command: What trains it.
        runs: How many, with the seeds that it has by itself.
        varied: Its axes, or the settings that are searched.
        meaning: In a clause.
        about: All that the file says of it.
    """

    name: str
    kind: str
    command: str
    runs: int
    varied: list[str]
    meaning: str
    about: str


def shipped_experiments() -> list[ShippedExperiment]:
    """All of them by name, the grids first."""
    grids = [(read_grid(name), name) for name in grid_names()]
    sweeps = [(read_sweep(name), name) for name in sweep_names()]
    return [
        *(
            _described(name, "grid", "ablate", grid.size, list(grid.axes), grid.description)
            for grid, name in grids
        ),
        *(
            _described(name, "sweep", "sweep", sweep.trials, list(sweep.search), sweep.description)
            for sweep, name in sweeps
        ),
    ]


def _described(
    name: str, kind: str, command: str, runs: int, varied: list[str], about: str
) -> ShippedExperiment:
    return ShippedExperiment(
        name=name,
        kind=kind,
        command=f"adavit {command} {name}",
        runs=runs,
        varied=varied,
        meaning=first_clause(about),
        about=" ".join(about.split()),
    )
