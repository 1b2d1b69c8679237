"""`curves.png`: what a run has measured against the images it has seen."""

from typing import TYPE_CHECKING, Any

from adavit.runs.directory import RunDirectory
from adavit.runs.reading import number
from adavit.runs.records import read_records, recorded_metric
from adavit.runtime.files import write_bytes
from adavit.runtime.pictures import figure_png
from adavit.runtime.streams import for_terminal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {
    "loss_generator": "generator",
    "loss_discriminator": "discriminator",
    "logits_train": "training images",
    "logits_heldout": "held-out images",
    "logits_fake": "generated images",
    "p": "p",
    "r_t": "r_t",
    "r_v": "r_v",
}


def draw_curves(directory: RunDirectory) -> None:
    """Draws losses, the three logits, p with both heuristics, and the first metric with its floor."""
    stats, metrics = read_records(directory.stats), read_records(directory.metrics)
    name = recorded_metric(metrics)
    from matplotlib.figure import Figure  # half a second, which the first step does not wait for

    # No pyplot: it keeps figures alive and looks for a screen.
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes = figure.subplots(2, 2).flat
    _plot(axes[0], stats, ("loss_generator", "loss_discriminator"), "losses")
    _plot(axes[1], stats, ("logits_train", "logits_heldout", "logits_fake"), "mean logits")
    _plot(
        axes[2], stats, ("p", "r_t", "r_v", "r_relative"), "augmentation probability and heuristics"
    )
    axes[2].set_ylim(-1.05, 1.05)
    axis = axes[3]
    if name is not None:
        _plot(axis, metrics, (name,), name)
        floor = number(metrics[-1].get(f"{name}_floor"))
        if floor is not None:
            label = f"held-out real images: {floor:.3g}"
            axis.axhline(floor, color="grey", linestyle="--", linewidth=1, label=label)
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8)
    figure.suptitle(for_terminal(directory.path.name), fontsize=10, parse_math=False)
    write_bytes(directory.curves, figure_png(figure, dpi=100))


def _plot(axis: "Axes", records: list[dict[str, Any]], names: tuple[str, ...], title: str) -> None:
    for name in names:
        figures = [(r["images"] / 1000, number(r.get(name))) for r in records]
        points = [point for point in figures if point[1] is not None]
        if points:
            marker = "o" if len(points) < 30 else None
            axis.plot(*zip(*points, strict=True), label=LABELS.get(name, name), marker=marker, ms=3)
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("thousands of real images seen (kimg)", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    if axis.lines:
        axis.legend(fontsize=8)
