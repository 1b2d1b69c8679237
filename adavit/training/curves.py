"""`curves.png`: what a run has measured against the images it has seen."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adavit.config.augment import AugmentConfig
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import mapping, number
from adavit.runs.records import best_record, read_some_records, recorded_metric
from adavit.runtime.files import write_bytes
from adavit.runtime.pictures import figure_png
from adavit.runtime.streams import for_terminal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 4000
"""Of a curve; the picture is 1,400 px wide."""

LABELS = {
    "loss_generator": "generator",
    "loss_discriminator": "discriminator",
    "logits_train": "training images",
    "logits_heldout": "held-out images",
    "logits_fake": "generated images",
    "pseudo_p": "p of generated images as real ones (APA)",
    "chain_p": "p of the normalisation (CHAIN)",
}
LOSSES = ("loss_generator", "loss_discriminator")
LOGITS = ("logits_train", "logits_heldout", "logits_fake")
HEURISTICS = {"rt": "r_t", "rv": "r_v", "relative": "r_relative"}
"""Of `augment.heuristic`, as they are recorded."""
PROBABILITIES = ("p", "pseudo_p", "chain_p")
LEAST_P = 0.05
"""The axis of p reaches as far at least: noise around 0 is not to look like a rise."""

CAP_IN_SIGHT = 0.5
"""Part of its cap that p must have reached for the cap to be drawn: far below it would flatten the curve."""

FEW_POINTS = 30
"""So few points or less are drawn as dots too."""


def draw_curves(directory: RunDirectory, augment: AugmentConfig) -> None:
    """Draws losses, the three logits, the heuristics, p, and the first metric with what real images score.

    Args:
        directory: Of the run; its logs are read.
        augment: Where p is adapted, says what it is to hold and how far it may go.
    """
    stats, metrics = (
        read_some_records(log, MOST_POINTS) for log in (directory.stats, directory.metrics)
    )
    name = recorded_metric(metrics)
    from matplotlib.figure import Figure  # half a second, which the first step does not wait for

    # No pyplot: it keeps figures alive and looks for a screen.
    figure = Figure(figsize=(14, 6.4), layout="constrained")
    axes = figure.subplot_mosaic([["losses", "logits", "metric"], ["p", "heuristics", "metric"]])
    _plot(axes["losses"], stats, LOSSES, "losses")
    _plot(axes["logits"], stats, LOGITS, "mean logits")
    _plot_probability(axes["p"], stats, augment)
    # r_relative is recorded where it stands for r_t.
    signs = "r_relative" if any("r_relative" in record for record in stats) else "r_t"
    _plot(axes["heuristics"], stats, [signs, "r_v"], "overfitting heuristics")
    axes["heuristics"].set_ylim(-1.05, 1.05)
    held = HEURISTICS.get(augment.follows or "")
    if stats and held in (signs, "r_v"):
        _mark(axes["heuristics"], augment.target, f"target of {held}")
    if name is not None:
        _plot_metric(axes["metric"], metrics, name)
    for axis in axes.values():
        _add_legend(axis)
    figure.suptitle(for_terminal(directory.path.name), fontsize=10, parse_math=False)
    write_bytes(directory.curves, figure_png(figure, dpi=100))


def _plot_probability(
    axis: "Axes", records: Sequence[dict[str, Any]], augment: AugmentConfig
) -> None:
    _plot(axis, records, PROBABILITIES, "augmentation probability p")
    highest = max((number(r.get(key)) or 0.0 for r in records for key in PROBABILITIES), default=0)
    cap = augment.p_max
    if augment.mode == "ada" and highest >= CAP_IN_SIGHT * cap > 0:
        _mark(axis, cap, "cap of p")
        highest = max(highest, cap)
    axis.set_ylim(0, 1.1 * max(LEAST_P, highest))


def _plot_metric(axis: "Axes", records: Sequence[dict[str, Any]], name: str) -> None:
    """The metric; and in grey what held-out images score beside as few generated ones: few score worse than many."""
    protocol = mapping(records[-1].get("protocol"))
    many, few = (_count(protocol.get(key)) for key in ("n_fake", "n_heldout"))
    _plot_one(axis, records, name, f"{many}generated images")
    _plot_one(axis, records, f"{name}_at_floor", f"{few}generated images", color="grey")
    best = best_record(records, name)
    if best is not None:
        kimg, label = best["images"] / 1000, f"best: {best[name]:.3g}"
        axis.plot([kimg], [best[name]], "*", color="black", markersize=9, label=label)
    _dress(axis, name)
    floor = number(records[-1].get(f"{name}_floor"))
    if floor is not None:
        _mark(axis, floor, f"{few}held-out real images")
    if axis.dataLim.y0 >= 0:
        axis.set_ylim(bottom=0)


def _plot(
    axis: "Axes", records: Sequence[dict[str, Any]], names: Sequence[str], title: str
) -> None:
    for name in names:
        _plot_one(axis, records, name, LABELS.get(name, name))
    _dress(axis, title)


def _plot_one(
    axis: "Axes",
    records: Sequence[dict[str, Any]],
    name: str,
    label: str,
    *,
    color: str | None = None,
) -> None:
    """A line through what was measured; none, and no entry in the legend, where nothing was."""
    found = [(record["images"] / 1000, number(record.get(name))) for record in records]
    points = [(kimg, value) for kimg, value in found if value is not None]
    if points:
        marker = "o" if len(points) < FEW_POINTS else None
        kimg, values = zip(*points, strict=True)
        axis.plot(kimg, values, label=label, marker=marker, markersize=3, color=color)


def _mark(axis: "Axes", value: float, label: str) -> None:
    """A level to hold the curves against."""
    axis.axhline(value, color="grey", linestyle="--", linewidth=1, label=f"{label}: {value:.3g}")


def _count(value: Any) -> str:
    known = number(value)
    return "" if known is None else f"{known:,.0f} "


def _dress(axis: "Axes", title: str) -> None:
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("thousands of real images seen (kimg)", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)


def _add_legend(axis: "Axes") -> None:
    """Between the title and the curves, where it hides none of them."""
    entries = len(axis.get_legend_handles_labels()[1])
    if entries:
        columns = entries if entries <= 3 else 2
        axis.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=columns,
            fontsize=8,
            frameon=False,
            borderaxespad=0.2,
            columnspacing=1.0,
            handlelength=1.5,
        )
        axis.set_title(axis.get_title(), fontsize=9, pad=5 + 13 * math.ceil(entries / columns))
