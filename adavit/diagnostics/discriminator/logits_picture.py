"""`logits.png`: histograms of the logits of training, held-out and generated images."""

from adavit.diagnostics.discriminator.drawing import COLORS, NAMES, new_figure, png_of, tidy
from adavit.watch.logits import LogitFigures


def draw_logits(figures: LogitFigures, title: str) -> bytes:
    """One outline for each kind of image, with its mean.

    Args:
        figures: Logits by kind.
        title: Above all.

    Returns:
        The content of a PNG file.
    """
    figure = new_figure(8, 3.6, title)
    axis = figure.subplots()
    edges, shares = figures.histograms()
    for kind, heights in shares.items():
        logits = figures.by_kind[kind]
        mean = float(logits.mean())
        label = f"{NAMES[kind]} ({len(logits):,}; mean {mean:+.2f})"
        axis.stairs(100 * heights, edges, fill=True, color=COLORS[kind], alpha=0.25)
        axis.stairs(100 * heights, edges, color=COLORS[kind], label=label)
        axis.axvline(mean, color=COLORS[kind], linestyle=":", linewidth=1)
    tidy(axis, "")
    axis.set_xlabel("logit; higher is more real", fontsize=8)
    axis.set_ylabel("share of images, %", fontsize=8)
    figure.legend(
        *axis.get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=3
    )
    return png_of(figure)
