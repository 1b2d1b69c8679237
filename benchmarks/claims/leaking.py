"""The claim (f), that augmentations leak above some p only, with its table and its verdict."""

from benchmarks.claims.comparison import (
    HIGHER,
    UNTOLD,
    Comparison,
    clear_among,
    mean,
    spread,
)
from benchmarks.claims.results import LEAKS, PROBABILITY, Results, figures
from benchmarks.claims.verdicts import (
    DISCRIMINATORS,
    FAILS,
    HOLDS,
    OPEN,
    Part,
    Verdict,
    cells_at,
)

PUBLISHED_P = 0.8
"""Above it augmentations are said to leak."""

LEAST_RECOGNISED = 0.05
"""Of generated images, for what the probes say to count: they have learned from drawings, and see operations in shapes
that are none, with and without augmentation."""


def leaking(results: Results) -> Verdict:
    """(f): more generated images show an operation than without augmentation, above p = 0.8 only."""
    parts, rows = [], []
    for discriminator in DISCRIMINATORS:
        without = {
            place: results[place]
            for place in cells_at(results, PROBABILITY, discriminator)
            if place.cell == "p 0"
        }
        control = next(iter(without.values()), {})
        by_p = {place.cell: results[place] for place in cells_at(results, LEAKS, discriminator)}
        shapeless = [
            cell
            for cell, outcomes in {"p 0": control, **by_p}.items()
            if mean(figures(outcomes, "recognised")) < LEAST_RECOGNISED
        ]
        compared: dict[str, Comparison] = {}
        late: set[str] = set()
        missing = False
        for place in cells_at(results, LEAKS, discriminator):
            p = float(place.cell.removeprefix("p "))
            names = {name for each in results[place].values() for name in each.leaks or ()}
            missing = missing or not names
            counts = not {"p 0", place.cell}.intersection(shapeless)
            for name in sorted(names):
                rates, others = (
                    {
                        seed: each.leaks[name]
                        for seed, each in side.items()
                        if each.leaks is not None and name in each.leaks
                    }
                    for side in (results[place], control)
                )
                found = Comparison.of(rates, others)
                missing = missing or found.word == UNTOLD
                if counts:
                    compared[f"{name} at {place.cell}"] = found
                if p > PUBLISHED_P:
                    late.add(f"{name} at {place.cell}")
                rows.append(
                    [
                        discriminator,
                        place.cell,
                        name,
                        spread(rates, ".1%"),
                        spread(others, ".1%"),
                        found.word,
                        spread(figures(results[place], "recognised"), ".1%"),
                    ]
                )
        leaks = clear_among(compared, HIGHER)
        already = [each for each in leaks if each not in late]
        perhaps = [
            name
            for name, each in compared.items()
            if each.word == HIGHER and not {name}.intersection(late, leaks)
        ]
        if missing or not rows:
            word, why = OPEN, "cells are missing"
        elif already:
            word, why = FAILS, f"already {', '.join(already)}"
        elif shapeless:
            word = OPEN
            why = f"fewer than {LEAST_RECOGNISED:.0%} of the images are recognised at {', '.join(shapeless)}"
        elif leaks and perhaps:
            word, why = OPEN, f"{', '.join(leaks)}, but not clearly already {', '.join(perhaps)}"
        elif leaks:
            word, why = HOLDS, ", ".join(leaks)
        else:
            word, why = OPEN, "no operation clearly leaks at any p"
        parts.append(Part(discriminator, word, why))
    head = ["discriminator", "p", "operation", "images that show it", "the same without", ""]
    head.append("images recognised")
    return Verdict.of(
        "f",
        "Augmentations leak above p of about 0.8 only.",
        parts,
        head,
        rows,
    )
