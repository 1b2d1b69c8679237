"""`leaks.png`: the estimated rate of each operation with its interval, generated images beside the control."""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

SERIES = (
    ("rate", "generated images", "#b3261e", -0.18),
    ("control_rate", "held-out real images (control)", "#5b6b7b", 0.18),
)
BAR_HEIGHT = 0.32


def draw_rates(operations: Sequence[dict[str, Any]], title: str) -> bytes:
    """Horizontal bars, one pair per operation.

    Args:
        operations: Entries of the record of `leaks`.
        title: Above all.

    Returns:
        The content of a PNG file, plain RGB.
    """
    figure = Figure(
        figsize=(7.5, 1.5 + 0.42 * len(operations)), layout="constrained", facecolor="white"
    )
    axis = figure.subplots()
    for key, label, color, offset in SERIES:
        _draw_series(axis, operations, key, label, color, offset)
    for row, entry in enumerate(operations):
        if "cannot_be_told" in entry:
            axis.text(
                0.5,
                row,
                f"cannot be told{_accuracy(entry)}",
                color="#888888",
                fontsize=8,
                va="center",
            )
    axis.set_yticks(range(len(operations)), [_name(entry) for entry in operations], fontsize=9)
    axis.set_ylim(len(operations) - 0.5, -0.5)
    axis.set_xlim(0, _right_end(operations))
    axis.set_xlabel("share of images, %, with 95% interval", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    axis.set_title(title, fontsize=9, parse_math=False, loc="left")
    if axis.containers:
        figure.legend(
            *axis.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=2
        )
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _draw_series(
    axis: Axes,
    operations: Sequence[dict[str, Any]],
    key: str,
    label: str,
    color: str,
    offset: float,
) -> None:
    rows = [(row, entry[key]) for row, entry in enumerate(operations) if key in entry]
    if not rows:
        return
    values = [100 * rate["value"] for _, rate in rows]
    below = [100 * max(0.0, rate["value"] - rate["low"]) for _, rate in rows]
    above = [100 * max(0.0, rate["high"] - rate["value"]) for _, rate in rows]
    axis.barh(
        [row + offset for row, _ in rows],
        values,
        height=BAR_HEIGHT,
        color=color,
        alpha=0.75,
        label=label,
        xerr=(below, above),
        error_kw={"elinewidth": 1, "capsize": 2},
    )


def _right_end(operations: Sequence[dict[str, Any]]) -> float:
    highest = [entry[key]["high"] for entry in operations for key, *_ in SERIES if key in entry]
    return max(10.0, 100 * min(1.0, 1.08 * max(highest, default=0.0)))


def _accuracy(entry: dict[str, Any]) -> str:
    accuracy = entry.get("balanced_accuracy")
    return "" if accuracy is None else f" (balanced accuracy {accuracy:.2f})"


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['operation']} (doubtful)" if entry.get("doubtful") else str(entry["operation"])
