from dataclasses import replace

import numpy as np
import pytest

from benchmarks.claims.findings import OPERATIONS
from benchmarks.claims.leaking import leaking
from benchmarks.claims.results import Outcome, Place
from benchmarks.claims.verdicts import FAILS, HOLDS, OPEN
from tests.benchmarks.claims.made_up import ending_at, noise, results


@pytest.mark.parametrize(
    ("leaks_at", "word", "reason"),
    [
        ("p 0.95", HOLDS, "rotate at p 0.95"),
        ("p 0.6", FAILS, "already rotate at p 0.6"),
        ("none", OPEN, "no operation clearly leaks"),
    ],
)
def test_leaks(leaks_at: str, word: str, reason: str) -> None:
    def make(place: Place, seed: int) -> Outcome:
        rate = 0.2 if place.cell == leaks_at else 0.0
        return ending_at(5.0, leaks={"rotate": 0.05 + rate + noise(seed) / 10, "hue": 0.0})

    verdict = leaking(results(make))
    assert verdict.word == word
    assert all(reason in part for part in verdict.parts)


def test_a_leak_at_a_low_p_that_is_not_clear_is_not_taken_for_none() -> None:
    rates = {"p 0.6": (0.3, 0.9, 0.95), "p 0.8": (0.4, 0.9, 0.95), "p 0.95": (0.95, 0.951, 0.949)}

    def make(place: Place, seed: int) -> Outcome:
        rate = rates.get(place.cell, (0.05, 0.05, 0.05))[seed]
        return ending_at(5.0, leaks={"rotate": rate, "hue": 0.0})

    verdict = leaking(results(make))
    assert verdict.word == OPEN
    assert all(
        "rotate at p 0.95, but not clearly already rotate at p 0.6, rotate at p 0.8" in part
        for part in verdict.parts
    )


@pytest.mark.parametrize(
    ("shapeless", "leaks_at", "word", "reason"),
    [
        ({"p 0"}, "p 0.6", OPEN, "recognised at p 0"),
        ({"p 0.6", "p 0.8"}, "p 0.6", OPEN, "recognised at p 0.6, p 0.8"),
        ({"p 0.8"}, "p 0.6", FAILS, "already rotate at p 0.6"),
        ({"p 0.8"}, "p 0.95", OPEN, "recognised at p 0.8"),
    ],
)
def test_probes_of_drawings_are_not_believed_where_nothing_is_drawn(
    shapeless: set[str], leaks_at: str, word: str, reason: str
) -> None:
    def make(place: Place, seed: int) -> Outcome:
        rate = 0.2 if place.cell == leaks_at else 0.0
        found = ending_at(5.0, leaks={"rotate": 0.05 + rate + noise(seed) / 10})
        return replace(found, recognised=0.04 if place.cell in shapeless else 0.06)

    verdict = leaking(results(make))
    assert verdict.word == word
    assert all(reason in part for part in verdict.parts)


@pytest.mark.parametrize("found", [None, {"rotate": 0.05}], ids=["nothing", "one of two"])
def test_leaks_are_not_told_where_one_cell_lacks_an_operation(
    found: dict[str, float] | None,
) -> None:
    def make(place: Place, seed: int) -> Outcome:
        if (place.cell, seed) == ("p 0.6", 1):
            return ending_at(5.0, leaks=found)
        rate = 0.2 if place.cell == "p 0.95" else 0.0
        return ending_at(5.0, leaks={"rotate": 0.05 + rate + noise(seed) / 10, "hue": 0.0})

    verdict = leaking(results(make))
    assert verdict.word == OPEN
    assert all("cells are missing" in part for part in verdict.parts)


def test_of_many_operations_that_leak_nowhere_one_is_not_found_by_chance() -> None:
    stream, failed = np.random.default_rng(0), 0
    for _ in range(40):

        def make(place: Place, seed: int) -> Outcome:
            return ending_at(
                5.0, leaks={name: float(stream.uniform(0, 0.1)) for name in OPERATIONS}
            )

        failed += sum(f": {FAILS}" in part for part in leaking(results(make)).parts)
    assert failed <= 0.1 * 80  # about 52 where each word counts for itself
