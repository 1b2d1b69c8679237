"""The figures of one run, by column: metrics with their protocol, p, r_t, the gap, the speed."""

from collections.abc import Iterator

from adavit.report.protocols import metric_columns
from adavit.report.run import Run
from adavit.report.table import Column
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import mapping, number
from adavit.runs.records import improves

LAST_PART = 0.1
"""r_t and the gap are means over this last part of the images seen: one line of a log is noise."""


def run_figures(run: Run) -> Iterator[tuple[Column, float]]:
    """All figures of a run that the table has a column for."""
    yield from _training_metrics(run)
    yield from _evaluations(run)
    yield from _state(run)


def gap(record: dict[str, object]) -> float | None:
    """Mean logit at training images minus at held-out ones: 0 without overfitting."""
    train, heldout = number(record.get("logits_train")), number(record.get("logits_heldout"))
    return None if train is None or heldout is None else train - heldout


def _training_metrics(run: Run) -> Iterator[tuple[Column, float]]:
    best: dict[str, tuple[Column, float]] = {}
    last: dict[str, tuple[Column, float]] = {}
    for record in run.metrics:
        for column, value in metric_columns(record, "best", "best value of the run"):
            before = best.get(column.key)
            if before is None or improves(column.name, value, before[1]):
                best[column.key] = (column, value)
        for column, value in metric_columns(record, "last", "value at the end of the run"):
            last[column.key] = (column, value)
    for pair in zip(best.values(), last.values(), strict=True):
        yield from pair


def _evaluations(run: Run) -> Iterator[tuple[Column, float]]:
    latest: dict[str, tuple[Column, float]] = {}
    for record in run.evaluations:
        ended = (
            mapping(record.get("source")).get("generator")
            == RunDirectory(run.path).last_generator.name
        )
        which = "last" if ended else "best"
        what = f"of the {which} generator, measured by adavit evaluate, latest record"
        for column, value in metric_columns(record, f"evaluated {which}", what):
            latest[column.key] = (column, value)
    yield from latest.values()


def _state(run: Run) -> Iterator[tuple[Column, float]]:
    if not run.stats:
        return
    last = run.stats[-1]
    late = [r for r in run.stats if r["images"] >= (1 - LAST_PART) * last["images"]]
    seconds = number(last.get("seconds"))
    state = {
        "p": ("Augmentation probability at the end.", number(last.get("p"))),
        "r_t": (
            (
                "Share of overfitting by the signs of the logits at training images, mean over the"
                " last tenth of the run; 1 is complete."
            ),
            _mean([number(record.get("r_t")) for record in late]),
        ),
        "logits gap": (
            (
                "Mean logit at training images minus at held-out images, mean over the last tenth"
                " of the run; 0 is no overfitting."
            ),
            _mean([gap(record) for record in late]),
        ),
        "images/s": (
            "Real images per second of training, evaluations left out.",
            last["images"] / seconds if seconds else None,
        ),
        "kimg": ("Thousands of real images seen.", run.images / 1000),
    }
    for name, (meaning, value) in state.items():
        if value is not None:
            yield Column(key=name, name=name, statistic="", meaning=meaning, better=None), value


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
