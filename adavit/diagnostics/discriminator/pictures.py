"""The pictures of an inspection: images, attention by depth, logits, and what all pictures have in common."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from adavit.data import images_to_uint8
from adavit.generation.sampling import image_from_tensor
from adavit.runtime.pictures import figure_png, opaque
from adavit.runtime.streams import for_terminal
from adavit.watch.alarms import LARGEST_LOGIT, LEAST_ENTROPY, MOST_SIMILAR
from adavit.watch.figures import EncoderFigures
from adavit.watch.logits import LogitFigures

COLORS = {"training": "#5b6b7b", "heldout": "#2a7fb8", "generated": "#b3261e"}
NAMES = {
    "training": "training images",
    "heldout": "held-out images",
    "generated": "generated images",
}
LETTERS_PER_INCH = 12
"""Of a title; paths can be long."""


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure of a size in inches; the title is plain text, as names of files may hold a dollar sign."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    lines = textwrap.fill(title, width=int(LETTERS_PER_INCH * width))
    figure.suptitle(for_terminal(lines), fontsize=9, x=0.01, ha="left", parse_math=False)
    return figure


def _explain(figure: Figure, *lines: str) -> None:
    """What dots, lines and colours mean, below all."""
    width = int(LETTERS_PER_INCH * figure.get_figwidth())
    figure.supxlabel("\n".join(textwrap.fill(line, width=width) for line in lines), fontsize=8)


def png_of(figure: Figure) -> bytes:
    """The content of a PNG file."""
    return figure_png(figure, dpi=110)


def pixels(image: Tensor) -> np.ndarray:
    """An image [C, H, W] in [-1, 1] as RGB bytes [H, W, 3]."""
    return np.asarray(opaque(image_from_tensor(images_to_uint8(image[None])[0])))


def tidy(axis: Axes, title: str) -> None:
    """Gives an axis small letters and a pale grid."""
    axis.set_title(title, fontsize=8, loc="left")
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3)
    axis.set_axisbelow(True)


def bare(axis: Axes) -> None:
    """Takes ticks and frame from an axis."""
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


TILE_INCHES = 1.0
"""Width of an image."""
HIGHEST = 0.99
"""Saliency is shown up to this quantile: single pixels would leave the rest black."""

ROLLOUT_LEGEND = "rollout: blue little attention, yellow much"
PLACES_LEGEND = "places: blue are taken for real, red for generated; full colour is a logit of"
SALIENCY_LEGEND = "saliency: black pixels hardly move the logit, white ones most"

TINY = torch.finfo(torch.float64).tiny
"""Divides maps of zeros instead of their top."""

COLOUR_SHARE = 0.6
"""Of colour in a map over a grey image: the image must still be seen."""

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


@dataclass(frozen=True)
class LookedAt:
    """Images of one kind with their logits, saliency, attention rollout and the verdicts on their places.

    Attributes:
        images: Images [N, C, H, W] in [-1, 1].
        logits: Their logits [N].
        saliency: Maps [N, H, W], >= 0.
        rollout: Maps [N, rows, columns], >= 0; None without attention.
        places: Logits [N, rows, columns] of each head of a critic on frozen features, by what it looks at.
    """

    images: Tensor
    logits: Tensor
    saliency: Tensor
    rollout: Tensor | None = None
    places: Mapping[str, Tensor] = field(default_factory=dict)


def draw_images(looks: Mapping[str, LookedAt], title: str) -> bytes:
    """Draws a row for each pair of a real and a generated image.

    Args:
        looks: Of real and of generated images, by kind.
        title: Above all.

    Returns:
        The content of a PNG file.
    """
    tops = {
        head: max(float(look.places[head].abs().max()) for look in looks.values())
        for head in next(iter(looks.values())).places
    }
    panels = {kind: _panels(look, tops) for kind, look in looks.items()}
    width = sum(len(side) for side in panels.values())
    rows = max(len(look.images) for look in looks.values())
    shape = next(iter(looks.values())).images.shape
    tall = TILE_INCHES * shape[2] / shape[3]
    figure = new_figure(TILE_INCHES * width + 0.8, (tall + 0.2) * rows + 0.7, title)
    grid = figure.subplots(rows, width, squeeze=False)
    for axis in grid.flat:
        bare(axis)
    first = 0
    for kind, side in panels.items():
        look = looks[kind]
        for column, (heading, tiles) in enumerate(side.items(), start=first):
            named = f"{NAMES[kind]}\n{heading}" if column == first else heading
            grid[0, column].set_title(named, fontsize=8)
            for row, tile in enumerate(tiles):
                grid[row, column].imshow(tile, interpolation="nearest")
            verdicts = look.places[heading].mean(dim=(1, 2)) if heading in look.places else None
            _write_logits(list(grid[:, column]), look.logits if column == first else verdicts)
        first += len(side)
    legend = [SALIENCY_LEGEND]
    if any(look.rollout is not None for look in looks.values()):
        legend.insert(0, ROLLOUT_LEGEND)
    if tops:
        scales = ", ".join(f"{top:.2g} ({head})" for head, top in tops.items())
        legend.append(f"{PLACES_LEGEND} {scales}, and below is the mean of the places")
    _explain(figure, *legend)
    return png_of(figure)


def _write_logits(column: Sequence[Axes], logits: Tensor | None) -> None:
    for axis, logit in zip(column, [] if logits is None else logits.tolist(), strict=False):
        axis.set_xlabel(f"logit {logit:+.2f}", fontsize=7, labelpad=1)


def _panels(look: LookedAt, tops: Mapping[str, float]) -> dict[str, list[np.ndarray]]:
    """Columns of RGB tiles by heading."""
    originals = [pixels(image) for image in look.images]
    panels = {"image": originals}
    if look.rollout is not None:
        size = originals[0].shape[:2]
        maps = F.interpolate(look.rollout[:, None].float(), size, mode="bilinear")[:, 0]
        panels["rollout"] = [
            over_grey(image, to_top(light)) for image, light in zip(originals, maps, strict=True)
        ]
    panels["saliency"] = [_glow(to_top(light)) for light in look.saliency]
    for head, logits in look.places.items():
        scaled = (0.5 + logits.double() / (2 * max(tops[head], TINY))).numpy()
        panels[head] = [
            over_grey(image, spread(light, image.shape[:2]), "RdBu")
            for image, light in zip(originals, scaled, strict=True)
        ]
    return panels


def to_top(light: Tensor) -> np.ndarray:
    """Divides a map [H, W] >= 0 by its `HIGHEST` quantile and clamps it at 1; zeros stay zeros."""
    top = light.double().quantile(HIGHEST).clamp(min=TINY)
    return np.asarray((light.double() / top).clamp(max=1).numpy())


def spread(light: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """A map [rows, columns] at the size of its image [H, W]: each pixel has the value of the place that it is in."""
    rows, columns = (
        np.arange(pixels) * places // pixels
        for pixels, places in zip(size, light.shape, strict=True)
    )
    return light[rows][:, columns]


def over_grey(image: np.ndarray, light: np.ndarray, colours: str = "viridis") -> np.ndarray:
    """A map in colours over its image in grey.

    Args:
        image: RGB bytes [H, W, 3].
        light: The map [H, W], in [0, 1].
        colours: matplotlib's name for them; its own go from blue over green to yellow.

    Returns:
        RGB bytes [H, W, 3]: `COLOUR_SHARE` of them colour.
    """
    grey = image.astype(np.float64) @ LUMA  # [H, W]
    shades = 255 * colormaps[colours](light)[:, :, :3]
    return np.rint(COLOUR_SHARE * shades + (1 - COLOUR_SHARE) * grey[:, :, None]).astype(np.uint8)


def _glow(light: np.ndarray) -> np.ndarray:
    """A map from black over red and yellow to white."""
    return np.stack([np.clip(3 * light - shift, 0, 1) for shift in (0.0, 1.0, 2.0)], axis=2)


LAYERS_LEGEND = (
    "a dot is a head, a line the mean of the heads, a dashed line the limit of the warning"
)

SHIFT = 0.12
"""Real images are drawn a little to the left, generated ones to the right."""


def draw_layers(figures: Mapping[str, EncoderFigures], title: str) -> bytes:
    """Draws four figures by layer; a dot is a head, a line the mean over heads, dashes the limit of the alarm.

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
    _explain(figure, LAYERS_LEGEND)
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


def draw_logits(figures: LogitFigures, title: str) -> bytes:
    """Draws the histogram of the logits of each kind of image, with their mean.

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
