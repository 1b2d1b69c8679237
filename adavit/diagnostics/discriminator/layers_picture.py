"""`attention.png`: distance, entropy, largest logit and token similarity by depth, real beside generated."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes

from adavit.diagnostics.discriminator.drawing import COLORS, NAMES, new_figure, png_of, tidy
from adavit.watch.alarms import LARGEST_LOGIT, LEAST_ENTROPY, MOST_SIMILAR
from adavit.watch.figures import EncoderFigures

SHIFT = 0.12
"""Real images are drawn a little to the left, generated ones to the right."""


def draw_layers(figures: Mapping[str, EncoderFigures], title: str) -> bytes:
    """Four panels; a dot is a head, a line the mean over heads, dashes the limit of the alarm.

    Args:
        figures: Of real and of generated images, by kind.
        title: Above all.

    Returns:
        The content of a PNG file.
    """
    figure = new_figure(9, 6, title)
    distance, entropy, logit, similarity = figure.subplots(2, 2).flat
    names = [item.name for item in next(iter(figures.values())).attention]
    _heads(distance, figures, names, lambda item: [item.distance_px[name] for name in names])
    _from_zero(distance)
    tidy(distance, "mean attention distance, px")
    _heads(entropy, figures, names, lambda item: [layer.entropy for layer in item.attention])
    entropy.axhline(LEAST_ENTROPY, color="black", linestyle="--", linewidth=0.8)
    entropy.set_ylim(0, 1.03)
    tidy(entropy, "attention entropy, of the largest possible")
    _heads(logit, figures, names, lambda item: [layer.largest_logit for layer in item.attention])
    logit.axhline(LARGEST_LOGIT, color="black", linestyle="--", linewidth=0.8)
    logit.set_yscale("symlog", linthresh=1)  # like a logarithm, but with a place for 0
    _from_zero(logit)
    tidy(logit, "largest attention logit")
    for kind, item in figures.items():
        values = [state.similarity for state in item.tokens]
        similarity.plot(values, marker="o", markersize=4, color=COLORS[kind], label=NAMES[kind])
    states = [state.name for state in next(iter(figures.values())).tokens]
    _label(similarity, states)
    similarity.axhline(MOST_SIMILAR, color="black", linestyle="--", linewidth=0.8)
    tidy(similarity, "mean cosine of the patches' tokens")
    similarity.legend(fontsize=7)
    return png_of(figure)


def _heads(
    axis: Axes,
    figures: Mapping[str, EncoderFigures],
    names: Sequence[str],
    values_of: Callable[[EncoderFigures], list[list[float]]],
) -> None:
    for offset, (kind, item) in zip((-SHIFT, SHIFT), figures.items(), strict=True):
        values = values_of(item)
        places = [place + offset for place in range(len(values))]
        means = [sum(heads) / len(heads) for heads in values]
        axis.plot(places, means, color=COLORS[kind], linewidth=1, label=NAMES[kind])
        for place, heads in zip(places, values, strict=True):
            axis.plot([place] * len(heads), heads, "o", markersize=3, color=COLORS[kind], alpha=0.7)
    _label(axis, names)
    axis.set_xlim(-0.5, len(names) - 0.5)


def _from_zero(axis: Axes) -> None:
    axis.set_ylim(0, 1.06 * axis.dataLim.y1)


def _label(axis: Axes, names: Sequence[str]) -> None:
    turned = len(names) > 6
    axis.set_xticks(range(len(names)), names, rotation=90 if turned else 0)
