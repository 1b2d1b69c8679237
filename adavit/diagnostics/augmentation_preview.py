"""A picture of what the augmentation does to given images, to look at before training on them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from adavit.augment import AugmentPipe, Pipe
from adavit.augment.diffaug import POLICIES, DiffAugment
from adavit.augment.pipeline import GROUPS
from adavit.augment.presets import DIFFAUG, preset_multipliers
from adavit.augment.settings import MAGNITUDES, OPERATIONS
from adavit.build.augmentation import (
    build_pipe,
    check_extra_operations,
    extra_operation,
    single_operation,
)
from adavit.config.augment import AugmentConfig
from adavit.config.auto import RunFacts, resolve
from adavit.config.run import RunConfig
from adavit.data import ImageSet, images_to_uint8, load_images
from adavit.generation.sampling import image_from_tensor
from adavit.runtime.console import Console
from adavit.runtime.devices import choose_device
from adavit.runtime.fonts import caption_font
from adavit.runtime.pictures import opaque
from adavit.runtime.randomness import generator_for
from adavit.runtime.resolution import Resolution
from adavit.training.start.workload import image_arguments

QUANTILES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
"""Columns of the upper part: how strong the drawn parameter is, from the lower end of its distribution."""

LETTERS = dict(zip(GROUPS, "bgcfncd", strict=True))
"""The letter of each group, in the names of the presets for all but the last."""

RANDOM_ROWS = 4
CELL_RANGE = (64, 128)
"""Smaller images are enlarged by whole pixels to at least the first, larger ones reduced to the second."""

_LABEL_WIDTH, _LABEL_GAP = 132, 8
_LINE = 26
_GAP = 3
_INK, _PALE, _PAPER = (25, 25, 30), (115, 115, 125), (255, 255, 255)


@dataclass(frozen=True)
class PreviewRow:
    """One operation by itself.

    Attributes:
        label: Name of the operation, with the letter of its group.
        pipe: Applies this operation alone.
    """

    label: str
    pipe: Pipe

    def at(self, image: Tensor, quantile: float, generator: torch.Generator) -> Tensor:
        """The image with the parameter at a quantile; an operation of kornia, which knows none, with a random one."""
        of_kornia = self.pipe.extra.enabled
        return self.pipe(image, quantile=None if of_kornia else quantile, generator=generator)


def preview(config: RunConfig, *, p: float, console: Console) -> Image.Image:
    """Draws the operations of a configuration on its own data.

    The images are those that a run on this machine would have. One row per operation that is switched on:
    the image as it is, then with the operation's parameter at each of `QUANTILES`. Below, random draws of
    the whole pipe at probability `p`, as the discriminator sees them.

    Args:
        config: Its sections `data` and `augment` and `run.seed` are used.
        p: Probability of the random draws, in [0, 1], and what makes diffusion strong; diffaug ignores it.
        console: Told what was found.

    Returns:
        The picture, RGB.

    Raises:
        UserError: If the data cannot be read, or an extra operation does not work on such images.
    """
    images = load_images(
        config.data.source,
        **image_arguments(config, choose_device(config.run.device)),
        progress=partial(console.activity, "decoding"),
    )
    for note in images.notes:
        console.note(note)
    facts = RunFacts(images.resolution, len(images.images), "cpu")
    augment = resolve(config, facts).augment
    stream = generator_for(config.run.seed, "augmentation", 0)
    order = torch.randperm(len(images.images), generator=stream).numpy()
    pipe = build_pipe(augment)
    check_extra_operations(pipe, images.images.shape[1:], twice=False)
    pipe.p.fill_(p)
    rows = preview_rows(augment, p=p)
    labels = [row.label for row in rows]
    sheet = _Sheet(columns=1 + len(QUANTILES), resolution=images.resolution, labels=labels)
    sheet.line(_title(images, named_operations(augment), len(rows)))
    sheet.heads(["", "original", *(f"{quantile:.0%}" for quantile in QUANTILES)])
    for index, row in enumerate(rows):
        image = _signed(images, order[index % len(order) : index % len(order) + 1])
        strengths = [row.at(image, quantile, stream) for quantile in QUANTILES]
        sheet.cells(row.label, torch.cat([image, *strengths]))
    always = augment.preset == DIFFAUG
    sheet.line(f"random draws{'' if always else f' at p = {p:g}'}, all operations together")
    for row_number in range(RANDOM_ROWS):
        first = row_number * sheet.columns
        chosen = order[np.arange(first, first + sheet.columns) % len(order)]
        sheet.cells("", pipe(_signed(images, chosen), generator=stream))
    return sheet.picture()


def preview_rows(augment: AugmentConfig, *, p: float) -> list[PreviewRow]:
    """The operations that are switched on, each alone and with its own magnitudes.

    Args:
        augment: The section.
        p: For operations that it makes stronger.
    """
    extra = [
        PreviewRow(f"+  {each.operation}", AugmentPipe(extra=[(extra_operation(each)[0], 1.0)]))
        for each in augment.extra
    ]
    if augment.preset == DIFFAUG:
        return [PreviewRow(policy, DiffAugment(policies=(policy,))) for policy in POLICIES] + extra
    letters = {name: LETTERS[group] for group, kind in GROUPS.items() for name in kind.operations()}
    magnitudes: dict[str, Any] = {name: getattr(augment, name) for name in MAGNITUDES}
    switched_on = {name: getattr(augment, name) for name in OPERATIONS if getattr(augment, name)}
    return [
        PreviewRow(
            f"{letters[name]}  {name}",
            single_operation(name, magnitudes, strength=multiplier * p),
        )
        for name, multiplier in switched_on.items()
    ] + extra


def named_operations(augment: AugmentConfig) -> str:
    """The preset and the operations that are switched on beside it: "bgc + diffusion"."""
    preset = augment.preset
    of_preset = OPERATIONS if preset == DIFFAUG else preset_multipliers(preset)
    added = [name for name in OPERATIONS if getattr(augment, name) and name not in of_preset]
    return " + ".join([preset, *added])


def _title(images: ImageSet, named: str, operations: int) -> str:
    height, width = images.resolution
    return (
        f"{named}: {operations} operations on {images.name}, {height} x {width} px"
        f"{'; each alone, at quantiles of its strength' if operations else ''}"
    )


def _signed(images: ImageSet, chosen: Sequence[int] | np.ndarray) -> Tensor:
    """Images [N, C, H, W] as the pipe sees them, in [-1, 1]."""
    return torch.from_numpy(np.array(images.images[chosen])).float() / 127.5 - 1


class _Sheet:
    """Lines of text and rows of images, from top to bottom."""

    def __init__(self, *, columns: int, resolution: Resolution, labels: Sequence[str]) -> None:
        self.columns = columns
        least, most = CELL_RANGE
        longest_side = max(resolution)
        times = most / longest_side if longest_side > most else max(1, -(-least // longest_side))
        self._height, self._width = (max(1, round(side * times)) for side in resolution)
        self._strips: list[Image.Image] = []
        self._font = caption_font(15)
        longest = max((math.ceil(self._font.getlength(label)) for label in labels), default=0)
        self._left = max(_LABEL_WIDTH, 2 * _LABEL_GAP + longest)

    @property
    def _whole_width(self) -> int:
        return self._left + self.columns * (self._width + _GAP) + _GAP

    def line(self, text: str) -> None:
        """A line of text over the whole width."""
        strip = self._strip(_LINE + 8)
        ImageDraw.Draw(strip).text((_LABEL_GAP, 10), text, fill=_INK, font=self._font)

    def heads(self, texts: Sequence[str]) -> None:
        """Text above each column; the first is that of the labels."""
        strip = self._strip(_LINE)
        draw = ImageDraw.Draw(strip)
        for index, text in enumerate(texts[1:]):
            left = self._left + index * (self._width + _GAP)
            middle = left + self._width / 2
            draw.text((middle, _LINE - 6), text, fill=_PALE, font=self._font, anchor="ms")

    def cells(self, label: str, images: Tensor) -> None:
        """A row of images [N, C, H, W] in [-1, 1], with a label before it."""
        strip = self._strip(self._height + _GAP)
        place = (_LABEL_GAP, self._height / 2)
        ImageDraw.Draw(strip).text(place, label, fill=_INK, font=self._font, anchor="lm")
        for index, image in enumerate(images_to_uint8(images)):
            strip.paste(self._shown(image), (self._left + index * (self._width + _GAP), 0))

    def picture(self) -> Image.Image:
        """All of it."""
        height = sum(strip.height for strip in self._strips) + _GAP
        picture = Image.new("RGB", (self._whole_width, height), _PAPER)
        top = 0
        for strip in self._strips:
            picture.paste(strip, (0, top))
            top += strip.height
        return picture

    def _strip(self, height: int) -> Image.Image:
        strip = Image.new("RGB", (self._whole_width, height), _PAPER)
        self._strips.append(strip)
        return strip

    def _shown(self, image: Tensor) -> Image.Image:
        """An image [C, H, W], uint8, at the size of a cell; what is transparent on a chequered ground."""
        shown = image_from_tensor(image)
        enlarges = shown.height <= self._height
        method = Image.Resampling.NEAREST if enlarges else Image.Resampling.LANCZOS
        return opaque(shown.resize((self._width, self._height), method))
