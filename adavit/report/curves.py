"""The curves of a report as plain data; `report.js` draws them with plotly."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from adavit.evaluation.comparison_text import FLATTERED_WORD
from adavit.metrics.kinship import MARK
from adavit.report.seed_groups import SeedGroup
from adavit.report.table import is_flattered
from adavit.report.tabulation import gap, metric_columns
from adavit.runs.reading import mapping, number
from adavit.runs.records import parts
from adavit.runtime.thinning import evenly_spread

POINTS_IN_ALL = 60_000
"""Of one kind of curve, over all runs; keeps the page small however many runs there are."""

POINTS_PER_RUN = 400

Value = Callable[[dict[str, Any]], float | None]

STATE: dict[str, Value] = {
    "p": lambda record: number(record.get("p")),
    "r_t": lambda record: number(record.get("r_t")),
    "r_relative": lambda record: number(record.get("r_relative")),
    "r_v": lambda record: number(record.get("r_v")),
    "gap": gap,
    "train": lambda record: number(record.get("logits_train")),
    "heldout": lambda record: number(record.get("logits_heldout")),
    "generated": lambda record: number(record.get("logits_fake")),
}


def curve_data(
    groups: Sequence[SeedGroup], letters: Mapping[str, str], *, anyway: bool = False
) -> dict[str, Any]:
    """All curves over images seen.

    Args:
        groups: The rows.
        letters: Letter of the protocol by key of the column, where a metric has several.
        anyway: As for `build_table`.

    Returns:
        `rows`: label and mark of the baseline of each group; `runs`: for each run its row, its seed,
        the thousands of images seen `kimg` with one list per name of `STATE`, and `metrics` by
        key with their own `kimg`; `metrics`: title, direction and floors of each key, for each number of held-out
        images the mean of the runs that have so many.
    """
    count = sum(len(group.runs) for group in groups)
    most = max(20, min(POINTS_PER_RUN, POINTS_IN_ALL // max(1, count)))
    titles: dict[str, dict[str, Any]] = {}
    floors: dict[str, dict[float | None, list[float]]] = {}
    runs = []
    for index, group in enumerate(groups):
        for run in group.runs:
            records = thinned(run.stats, most)
            series: dict[str, list[float | None]] = {
                name: [_short(value(record)) for record in records]
                for name, value in STATE.items()
                if name != "r_t" or run.has_threshold
            }
            metrics, own = _metrics(run.metrics, most, titles, letters, anyway)
            for key, (images, floor) in own.items():
                floors.setdefault(key, {}).setdefault(images, []).append(floor)
            present = {k: v for k, v in series.items() if any(x is not None for x in v)}
            runs.append(
                {
                    "row": index,
                    "seed": run.seed,
                    "kimg": [record["images"] / 1000 for record in records],
                    **present,
                    "metrics": metrics,
                }
            )
    for key, title in titles.items():
        title["floors"] = [
            {"value": fmean(values), "images": images}
            for images, values in floors.get(key, {}).items()
        ]
    rows = [{"label": _marked(group), "baseline": group.baseline} for group in groups]
    return {"rows": rows, "runs": runs, "metrics": titles}


def thinned(records: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """At most so many records, evenly spread, the first and the last among them."""
    return [records[position] for position in evenly_spread(len(records), most)]


def _marked(group: SeedGroup) -> str:
    seen = any(run.networks_seen for run in group.runs)
    return f"{group.label} ({MARK})" if seen else group.label


def _metrics(
    records: Sequence[dict[str, Any]],
    most: int,
    titles: dict[str, dict[str, Any]],
    letters: Mapping[str, str],
    anyway: bool,
) -> tuple[dict[str, dict[str, list[float]]], dict[str, tuple[float | None, float]]]:
    """The curves of a run by key, and their floors with the number of held-out images that they are of."""
    curves: dict[str, dict[str, list[float]]] = {}
    floors: dict[str, tuple[float | None, float]] = {}
    thin = thinned(records, most)
    for images, record in ((each["images"], part) for each in thin for part in parts(each)):
        for column, value in metric_columns(record, "best", "", anyway=anyway):
            floor = number(record.get(f"{column.name}_floor"))
            if floor is not None:
                heldout = number(mapping(record.get("protocol")).get("n_heldout"))
                floors[column.key] = heldout, floor
            titles.setdefault(
                column.key,
                {
                    "name": f"{column.name} ({FLATTERED_WORD})"
                    if is_flattered(column)
                    else column.name,
                    "letter": letters.get(column.key, ""),
                    "better": column.better,
                },
            )
            curve = curves.setdefault(column.key, {"kimg": [], "values": []})
            curve["kimg"].append(images / 1000)
            curve["values"].append(_short(value) or 0.0)
    return curves, floors


def _short(value: float | None) -> float | None:
    """Five digits: more than a screen shows, a third of the bytes."""
    return None if value is None else float(f"{value:.5g}")
