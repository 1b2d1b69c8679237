"""The cheap half of a check, as every training begins with it: equal images, blank and dark ones, frames, classes.

One pass over decoded pixels; no files are opened.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from adavit.curation.borders import Frame, find_frame, may_be_framed
from adavit.data.digests import image_digest
from adavit.data.files.members import printable
from adavit.data.files.resize import Box
from adavit.runtime.wording import counted, listed

READ_ROWS = 512
"""Images that are looked at together."""

BLANK_LEVELS = 3.0
"""An image whose values deviate by less (standard deviation, in every channel) is near-constant."""

LARGEST_SPREAD = 64
"""Between the lightest and the darkest value of one: a few wrong pixels do not make a picture."""

DARK_LEVEL, DARK_SHARE = 40, 0.98
"""An image is very dark if this share of its values lies below this level."""

FEWEST, SHARE = 3, 0.01
"""So many images, and this share of the set, are worth a line of advice."""

SAMPLED_SIDE = 32
"""Of large images so many rows and columns are looked at, at least."""

UNEQUAL = 10.0
"""How many times the smallest class the largest may have."""


@dataclass(frozen=True)
class Glance:
    """What was seen in decoded images.

    Attributes:
        count: Images looked at.
        equal: Groups of indices whose pixels are equal, each ascending.
        across: Those of the groups that stand in more than one class.
        blank: Indices of near-constant images.
        dark: Indices of very dark ones that are not blank.
        frames: Frames by the index of their image.
        class_counts: Images of each class that has any, by its name; empty without classes.
        empty: Names of the other classes, as none of their images was looked at.
    """

    count: int
    equal: list[list[int]] = field(default_factory=list)
    across: list[list[int]] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)
    dark: list[int] = field(default_factory=list)
    frames: dict[int, Frame] = field(default_factory=dict)
    class_counts: dict[str, int] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)

    @property
    def copies(self) -> int:
        """Images that equal an earlier one."""
        return sum(len(group) - 1 for group in self.equal)

    @property
    def imbalance(self) -> float:
        """Images of the largest class for each one of the smallest that has any; 1 without classes."""
        counts = self.class_counts.values()
        return max(counts) / min(counts) if counts else 1.0


def glance(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
    *,
    inside: Sequence[Box | None] = (),
    chosen: np.ndarray | None = None,
) -> Glance:
    """Looks at each image once.

    Args:
        images: uint8 [N, C, H, W]; may be memory-mapped.
        labels: int64 [N] into `classes`, or None.
        classes: Names of the classes.
        inside: Where each lies in what it was filled up to, as in `ImageSet`: what surrounds it would hide a frame, and
            that it is blank.
        chosen: Indices to look at, ascending; None for all.
    """
    images = np.asarray(images)  # a memory map is slow to take parts of
    indices = np.arange(len(images)) if chosen is None else chosen
    height, width = (max(1, side // SAMPLED_SIDE) for side in images.shape[2:])
    groups: dict[int, list[int]] = {}
    blank, dark, frames = [], [], {}
    for start in range(0, len(indices), READ_ROWS):
        part = indices[start : start + READ_ROWS]
        # Only some pixels are read of all images; all of those that agree in them, seem blank or dark, or may have a
        # frame.
        sampled = np.stack([images[index][:, ::height, ::width] for index in part])
        for index, image in zip(part, sampled, strict=True):
            groups.setdefault(zlib.crc32(np.ascontiguousarray(image).data), []).append(int(index))
        boxes = [inside[index] if inside else None for index in part]
        is_filled_up = np.array([box is not None for box in boxes])
        is_blank = _blank(sampled) | is_filled_up
        for at in np.flatnonzero(is_blank):  # what it shows may lie between the sampled pixels
            is_blank[at] = _blank(_within(images[part[at]], boxes[at])[None])[0]
        is_dark = _dark(sampled) & ~is_blank
        for at in np.flatnonzero(is_dark):
            is_dark[at] = _dark(images[part[at]][None])[0]
        blank += [int(index) for index in part[is_blank]]
        dark += [int(index) for index in part[is_dark]]
        maybe = may_be_framed(images, part, every=(height, width))
        for at in np.flatnonzero((maybe | is_filled_up) & ~is_blank):
            frame = _frame(images[part[at]], boxes[at])
            if frame is not None:
                frames[int(part[at])] = frame
    equal = _equal(images, groups.values())
    across, counts, empty = [], {}, []
    if labels is not None:
        across = [group for group in equal if len({int(labels[index]) for index in group}) > 1]
        found = Counter(labels[indices].tolist())
        counts = {classes[label]: found[label] for label in sorted(found)}
        empty = [name for name in classes if name not in counts]
    return Glance(len(indices), equal, across, blank, dark, frames, counts, empty)


def _within(image: np.ndarray, inside: Box | None) -> np.ndarray:
    return image if inside is None else inside.part_of(image)


def _frame(image: np.ndarray, inside: Box | None) -> Frame | None:
    frame = find_frame(_within(image, inside))
    if frame is None or inside is None:
        return frame
    x, y = inside.left, inside.top
    left, top, right, bottom = frame.box
    return Frame((left + x, top + y, right + x, bottom + y), frame.colour)


def _equal(images: np.ndarray, agreeing: Iterable[list[int]]) -> list[list[int]]:
    """Groups of images whose pixels are all equal, of such as agree in some."""
    found = []
    for group in agreeing:
        if len(group) > 1:
            whole: dict[bytes, list[int]] = {}
            for index in group:
                whole.setdefault(image_digest(images[index]), []).append(index)
            found += [same for same in whole.values() if len(same) > 1]
    return sorted(found)


def _blank(block: np.ndarray) -> np.ndarray:
    # Few images spread over so few levels that a deviation is worth calculating.
    spread = (block.max(axis=(2, 3)) - block.min(axis=(2, 3))).max(axis=1)
    maybe = spread < LARGEST_SPREAD
    found = np.zeros(len(block), dtype=bool)
    found[maybe] = (block[maybe].std(axis=(2, 3)) < BLANK_LEVELS).all(axis=1)
    return found


def _dark(block: np.ndarray) -> np.ndarray:
    is_low = block[:, :3] < DARK_LEVEL
    if block.shape[1] < 4:
        return np.asarray(is_low.mean(axis=(1, 2, 3)) >= DARK_SHARE)
    seen = np.broadcast_to(block[:, 3:] > 0, is_low.shape)
    total = seen.sum(axis=(1, 2, 3))
    return np.asarray((is_low & seen).sum(axis=(1, 2, 3)) >= np.maximum(1, DARK_SHARE * total))


def advice(seen: Glance, quoted: str, *, conditional: bool, has_files: bool = True) -> list[str]:
    """At most three sentences on what would spoil a training, the worst first, each with what to do.

    Args:
        seen: Of the images to train on.
        quoted: What they are called in a command, as a shell takes it.
        conditional: Whether classes are learnt.
        has_files: Whether they are files that can be left out.
    """
    lines = []
    check, subset = f"adavit data check {quoted}", f"adavit data subset {quoted}"
    remedy = f"{check} --write CLEANED leaves such out" if has_files else f"{check} names them"
    if conditional and seen.empty:
        classes = counted(len(seen.empty), "class has", "classes have")
        lines.append(
            f"{classes} no image to train on ({listed(map(printable, seen.empty))}) and cannot be learnt; a larger"
            f" --subset or a smaller --val-fraction gives them some, and {subset} --count N --balanced --out EVEN as"
            " many of each."
        )
    if conditional and seen.across:
        pictures = counted(len(seen.across), "picture stands", "pictures stand")
        lines.append(f"{pictures} in more than one class; {check} names them.")
    if _many(seen.copies, seen.count):
        copies = counted(seen.copies, "image is an exact copy", "images are exact copies")
        lines.append(f"{copies} of another one, which so counts double; {remedy}.")
    if _many(len(seen.blank), seen.count):
        blank = counted(len(seen.blank), "image is", "images are")
        lines.append(f"{blank} of one colour, or nearly; {remedy}.")
    if _many(len(seen.frames), seen.count):
        framed = counted(len(seen.frames), "image has", "images have")
        lines.append(
            f"{framed} a frame of one colour, which would be learnt;"
            f" adavit data crop {quoted} --trim --out TRIMMED cuts it away."
        )
    if conditional and seen.imbalance >= UNEQUAL:
        lines.append(
            f"the largest class has {seen.imbalance:.0f} times the images of the smallest, which will be"
            f" drawn worst; {subset} --count N --balanced --out EVEN evens them out."
        )
    return [f"Warning: {line}" for line in lines[:3]]


def _many(found: int, of: int) -> bool:
    return found >= max(FEWEST, SHARE * of)
