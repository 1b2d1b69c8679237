"""The claim (d): without augmentation r_t and r_v rise before the distance turns; by how many thousand images."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from adavit.augment.settings import TARGETS
from adavit.report.statistics import paired_difference
from benchmarks.claims.results import METHODS, Outcome, Results, running_median
from benchmarks.claims.verdicts import FAILS, HOLDS, NONE, OPEN, Part, Verdict

TURNED = 1.1
"""A distance has turned where it ends at so many times its lowest, or more: less is the noise of an evaluation."""

LEAST_RUNS = 5
"""Runs in which it has turned, for a verdict."""


class Lag(NamedTuple):
    """From the rise of a heuristic to the turn of the distance.

    Attributes:
        kimg: So many thousand images.
        is_bound: Whether that is the most it can be: the heuristic has not risen by the end of the run.
    """

    kimg: float
    is_bound: bool


def turn_kimg(outcome: Outcome) -> float | None:
    """Where the distance was lowest; None where it had not turned by the end."""
    if outcome.last < TURNED * outcome.best:
        return None
    return min(outcome.curve, key=lambda point: point[1])[0]


def rise_kimg(outcome: Outcome, heuristic: str) -> float | None:
    """From where on a heuristic stays above what ADA holds it at; None where it does not.

    Args:
        outcome: Of a cell.
        heuristic: "rt" or "rv".
    """
    column = {"rt": 1, "rv": 2}[heuristic]
    smooth = running_median([line[column] for line in outcome.heuristics])
    risen = None
    for line, value in zip(outcome.heuristics, smooth, strict=True):
        if value is None or value < TARGETS[heuristic]:
            risen = None
        elif risen is None:
            risen = line[0]
    return risen


def lag_before_turning(results: Results) -> Verdict:
    """(d): over all runs without augmentation whose distance has turned."""
    outcomes = {
        (place, seed): outcome
        for place, by_seed in results.items()
        if (place.grid, place.cell) == (METHODS, NONE)
        for seed, outcome in by_seed.items()
    }
    rows: list[list[str]] = []
    lags: dict[str, list[Lag]] = {"rt": [], "rv": []}
    for (place, seed), outcome in outcomes.items():
        turned = turn_kimg(outcome)
        risen = {name: rise_kimg(outcome, name) for name in lags}
        for name, at in risen.items():
            if turned is not None:
                end = outcome.curve[-1][0]
                lags[name].append(Lag(turned - (end if at is None else at), at is None))
        shown = [_kimg(each) for each in (risen["rt"], risen["rv"], turned)]
        rows.append([place.discriminator, f"{place.images:,}", seed, *shown])
    parts = [
        Part("r_t" if name == "rt" else "r_v", *_of_lags(values)) for name, values in lags.items()
    ]
    head = [
        "discriminator",
        "images",
        "seed",
        "r_t stays above 0.6",
        "r_v above 0.5",
        "fd_drawn lowest",
    ]
    claim = "r_t and r_v rise before the distance turns."
    return Verdict.of("d", claim, parts, head, rows)


def _of_lags(lags: Sequence[Lag]) -> tuple[str, str]:
    if len(lags) < LEAST_RUNS:
        return OPEN, f"the distance has turned in {len(lags)} runs, {LEAST_RUNS} are needed"
    by_run = {str(number): lag.kimg for number, lag in enumerate(lags)}
    found = paired_difference(by_run, dict.fromkeys(by_run, 0.0))
    assert found is not None
    bounds = sum(lag.is_bound for lag in lags)
    median = statistics.median(by_run.values())
    if not bounds:
        told = f"median {median:+.3g} kimg, mean {found.mean:+.3g} [{found.low:+.3g}, {found.high:+.3g}]"
    elif bounds < len(lags):
        told = (
            f"median {median:+.3g} kimg, mean {found.mean:+.3g}, at most: in {bounds} of {len(lags)} runs it has not"
            " risen by the end"
        )
    else:
        told = f"in none of {len(lags)} runs whose distance has turned it has risen by the end"
    if not found.excludes_zero or (found.mean > 0 and bounds):
        return OPEN, told
    return (HOLDS if found.mean > 0 else FAILS), told


def _kimg(value: float | None) -> str:
    return "not by the end" if value is None else f"{value:g} kimg"
