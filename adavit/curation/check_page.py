"""A check as one HTML file: its sentences with the images that they are about; it asks the network for nothing."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
import numpy as np
import torch
from PIL import Image

from adavit.curation.check import DataCheck
from adavit.curation.check_text import (
    SWITCH_OFF,
    TESTED,
    copy_lines,
    expectation_lines,
    file_lines,
    headline,
    pixel_lines,
    sections,
)
from adavit.curation.symmetry import SymmetryTest, prepared, switched_off
from adavit.curation.transformations import TRANSFORMATIONS
from adavit.data.files.members import printable
from adavit.runtime.pictures import opaque
from adavit.runtime.randomness import generator_for
from adavit.runtime.thinning import evenly_spread

CLUSTERS, OF_CLUSTER, OTHERS, EXAMPLES = 24, 6, 18, 6
"""Pictures that the page shows: groups of copies, images of each, of any other kind, and pairs for each symmetry."""

SIDE = 96
"""Pixels of a picture at most; smaller ones are shown with their pixels as squares."""

LONGEST_NAME = 60


@dataclass(frozen=True)
class Shown:
    """An image in the page.

    Attributes:
        uri: `data:image/png;base64,...`.
        name: Below it.
    """

    uri: str
    name: str


@dataclass(frozen=True)
class ShownTest:
    """A symmetry in the page.

    Attributes:
        test: Its result.
        pairs: Images above, and below them their changed versions.
        left: Where its interval begins, in percent of the way from 0.4 to 1.
        width: Of the interval, likewise.
        point: The share of right answers, likewise.
    """

    test: SymmetryTest
    pairs: list[tuple[Shown, Shown]]
    left: float
    width: float
    point: float


def build_page(check: DataCheck) -> str:
    """The page.

    Args:
        check: What was found.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    lines = dict(sections(check))
    counts = {printable(name): count for name, count in check.seen.class_counts.items()}
    across = {index for group in check.across for index in group}
    groups = [
        ("" if across.isdisjoint(group) else "in more than one class", group)
        for group in check.clusters
    ]
    groups.sort(key=lambda each: not each[0])
    groups += [("that mirror each other", [pair.first, pair.second]) for pair in check.twins]
    return environment.get_template("check.html.j2").render(
        style=_template("check.css"),
        title=check.images.name,
        headline=headline(check),
        sample=_shown(check, evenly_spread(len(check.images), OTHERS)),
        files=file_lines(check, by_name=False)[1:],
        copies=copy_lines(check, by_name=False),
        clusters=[
            (words, _shown(check, group[:OF_CLUSTER]), len(group))
            for words, group in groups[:CLUSTERS]
        ],
        clusters_left=max(0, len(groups) - CLUSTERS),
        pixels=pixel_lines(check, by_name=False),
        flawed=[
            (words, _shown(check, found[:OTHERS]), len(found))
            for words, found in (
                ("Of one colour, or nearly", check.seen.blank),
                ("Very dark", check.seen.dark),
                ("With a frame of one colour", list(check.seen.frames)),
            )
            if found
        ],
        broken=check.images.skipped,
        suspicious=check.suspicious,
        low_quality=check.low_quality,
        class_lines=lines.get("Classes", []),
        class_counts=sorted(counts.items(), key=lambda item: -item[1])[:40],
        largest=max(counts.values(), default=1),
        tests=_tests(check),
        tested=TESTED,
        switch_off=switched_off(check.symmetries),
        switch_off_words=SWITCH_OFF,
        expectation=expectation_lines(check),
        pixelated=max(check.images.images.shape[2:]) <= SIDE,
    )


def _tests(check: DataCheck) -> list[ShownTest]:
    images = check.images.images
    chosen = np.array(evenly_spread(len(images), EXAMPLES))
    by_key = {each.key: each for each in TRANSFORMATIONS}
    shown = []
    for test in check.symmetries:
        stream = generator_for(0, f"shown {test.key}", 0)
        plain, changed = by_key[test.key].versions(prepared(images, chosen), stream)
        pairs = [
            (_of_floats(one, "as it is"), _of_floats(other, test.words))
            for one, other in zip(plain, changed, strict=True)
        ]
        low, high, point = (
            max(0.0, (value - 0.4) / 0.6) for value in (test.low, test.high, test.accuracy)
        )
        shown.append(ShownTest(test, pairs, 100 * low, 100 * (high - low), 100 * point))
    return shown


def _shown(check: DataCheck, indices: Sequence[int]) -> list[Shown]:
    return [_picture(check, index) for index in indices]


def _picture(check: DataCheck, index: int) -> Shown:
    pixels = np.array(check.images.images[index])
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0).copy())
    name = check.name(index)
    if len(name) > LONGEST_NAME:
        name = f"…{name[-LONGEST_NAME:]}"
    return Shown(_uri(opaque(image)), name)


def _of_floats(image: torch.Tensor, name: str) -> Shown:
    values = ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    return Shown(_uri(Image.fromarray(values.transpose(1, 2, 0).copy())), name)


def _uri(image: Image.Image) -> str:
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _template(name: str) -> str:
    return (resources.files("adavit.curation") / "templates" / name).read_text(encoding="utf-8")
