"""Results whose answers are known."""

from collections.abc import Callable, Iterable

from adavit.experiments.grid_file import read_grid
from benchmarks.claims.results import GRIDS, Outcome, Place, Results, place_of

SEEDS = (0, 1, 2)
Make = Callable[[Place, int], Outcome | None]


def places() -> list[Place]:
    """Every place of the shipped grids."""
    grids = [read_grid(name) for name in GRIDS]
    return list(dict.fromkeys(place_of(grid, p.axes) for grid in grids for p in grid.points()))


def results(make: Make, seeds: Iterable[int] = SEEDS) -> Results:
    """An outcome for each place and seed; None leaves it missing."""
    return {
        place: {str(seed): outcome for seed in seeds if (outcome := make(place, seed)) is not None}
        for place in places()
    }


def ending_at(figure: float, **keywords: object) -> Outcome:
    """An outcome whose distance falls from 40 to a figure."""
    return Outcome(curve=[(0, 40.0), (40, figure)], recognised=0.5, **keywords)


def noise(seed: int) -> float:
    """Of mean 0 over the seeds, and of both signs."""
    return (0.1, -0.1, 0.0)[seed]
