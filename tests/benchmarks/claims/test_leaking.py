from dataclasses import replace

import pytest

from benchmarks.claims.leaking import leaking
from benchmarks.claims.results import Outcome, Place
from benchmarks.claims.verdicts import FAILS, HOLDS, OPEN
from tests.benchmarks.claims.made_up import ending_at, noise, results


@pytest.mark.parametrize(
    ("leaks_at", "word", "reason"),
    [
        ("p 0.95", HOLDS, "rotate at p 0.95"),
        ("p 0.6", FAILS, "already rotate at p 0.6"),
        ("none", OPEN, "no operation leaks"),
    ],
)
def test_leaks(leaks_at: str, word: str, reason: str) -> None:
    def make(place: Place, seed: int) -> Outcome:
        rate = 0.2 if place.cell == leaks_at else 0.0
        return ending_at(5.0, leaks={"rotate": 0.05 + rate + noise(seed) / 10, "hue": 0.0})

    verdict = leaking(results(make))
    assert verdict.word == word
    assert all(reason in part for part in verdict.parts)


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
