"""What all pictures of an inspection have in common."""

import io
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from adavit.data import images_to_uint8
from adavit.metrics import as_rgb

COLORS = {"training": "#5b6b7b", "heldout": "#2a7fb8", "generated": "#b3261e"}
NAMES = {
    "training": "training images",
    "heldout": "held-out images",
    "generated": "generated images",
}
LETTERS_PER_INCH = 12
"""Of a title; paths can be long."""


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure of so many inches; the title is text, as names of files may hold a dollar sign."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    lines = textwrap.fill(title, width=int(LETTERS_PER_INCH * width))
    figure.suptitle(lines, fontsize=9, x=0.01, ha="left", parse_math=False)
    return figure


def png_of(figure: Figure) -> bytes:
    """The content of a PNG file."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def pixels(image: Tensor) -> np.ndarray:
    """An image [C, H, W] in [-1, 1] as RGB bytes [H, W, 3]."""
    return np.asarray(as_rgb(images_to_uint8(image[None]))[0].permute(1, 2, 0).numpy())


def tidy(axis: Axes, title: str) -> None:
    """Small letters and a pale grid."""
    axis.set_title(title, fontsize=8, loc="left")
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3)
    axis.set_axisbelow(True)


def bare(axis: Axes) -> None:
    """No ticks, no frame."""
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
