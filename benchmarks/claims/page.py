"""The page of the benchmark: how far it is, every verdict with its table, and the figures of every cell."""

from benchmarks.claims.comparison import Comparison, spread
from benchmarks.claims.leaking import leaking
from benchmarks.claims.results import METHODS, Place, Results, figures
from benchmarks.claims.turning import lag_before_turning
from benchmarks.claims.verdicts import (
    NONE,
    Verdict,
    adaptive_p,
    copies,
    fewer_images,
    groups_of_operations,
    need_of_vit,
    table,
)

SEEDS = 3

HEAD = """\
# Few images: what holds of the published claims
`python benchmarks/few_images.py verdicts`, of the records beside this page, in few_images/: cells of the grids
`few-images-cpu`, `few-images-groups-cpu`, `few-images-probability-cpu` and `few-images-leaks-cpu`, trained on drawings
of `small_set` at 32 px and compared with 10,000 other ones. Their heads in `configs/ablations/` say how long they are,
and why.

Intervals are those of a paired bootstrap over seeds. **With three seeds they are the range of three differences, and
leave out 0 by chance in one comparison of four**: a single word in a table says little, several that agree say more.
"Level" is where the interval holds 0; nothing is said of fewer than three seeds. Of many operations one may differ by
chance: (a) and (f) count those alone that a paired t test tells apart with 5% divided by the number of comparisons.
`fd_drawn` is that of the best evaluation of a run, unless it says last.
"""


def verdicts_of(results: Results) -> list[Verdict]:
    """All of them, (a) to (g)."""
    claims = (
        groups_of_operations,
        adaptive_p,
        fewer_images,
        lag_before_turning,
        need_of_vit,
        leaking,
        copies,
    )
    return [claim(results) for claim in claims]


def page_of(results: Results, cells: tuple[int, int]) -> str:
    """The page in Markdown.

    Args:
        results: Of all places.
        cells: How many cells have a record, of how many: `cells_with_records`.
    """
    filled, places = sum(map(len, results.values())), SEEDS * len(results)
    trained, all_cells = cells
    told = f"{filled} of {places} places are filled ({trained} of {all_cells} cells; grids share some)."
    lines = [HEAD, told, ""]
    verdicts = verdicts_of(results)
    lines += table(("", "claim", "verdict"), [(f"({v.letter})", v.claim, v.word) for v in verdicts])
    for verdict in verdicts:
        lines += ["", f"## ({verdict.letter}) {verdict.claim}", f"**{verdict.word}**", ""]
        lines += [*(f"- {part}" for part in verdict.parts), "", *verdict.table]
    lines += ["", "## Every cell", *table(CELL_HEAD, map(_cell_row, _filled(results)))]
    return "\n".join(lines) + "\n"


CELL_HEAD = (
    "grid",
    "discriminator",
    "images",
    "cell",
    "seeds",
    "best fd_drawn",
    "last",
    "recognised",
    "best less that of none",
)


def _filled(results: Results) -> list[tuple[Place, Results]]:
    return [(place, results) for place, outcomes in results.items() if outcomes]


def _cell_row(filled: tuple[Place, Results]) -> list[str]:
    place, results = filled
    outcomes = results[place]
    without = results.get(Place(METHODS, place.discriminator, place.images, NONE), {})
    best = figures(outcomes, "best")
    return [
        place.grid,
        place.discriminator,
        f"{place.images:,}",
        place.cell,
        str(len(outcomes)),
        spread(best),
        spread(figures(outcomes, "last")),
        spread(figures(outcomes, "recognised"), ".1%"),
        "" if place.cell in (NONE, "p 0") else Comparison.of(best, figures(without, "best")).text,
    ]
