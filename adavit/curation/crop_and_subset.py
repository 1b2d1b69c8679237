"""New sets made of a set: images cut, or some of them drawn, written as PNG under their names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adavit.curation.cuts import Cut, Tiles
from adavit.curation.source_set import (
    SourceSet,
    labels_given,
    labels_of_made,
    no_longer_read,
    open_set,
)
from adavit.curation.uncropped import decode_whole, white_of_whole
from adavit.curation.written_set import SetWriter, check_names, written_set
from adavit.data.dataset import no_readable_image, open_source, told_skipped
from adavit.data.depth import Depth
from adavit.data.files.collection import Collection, SourceImage
from adavit.data.files.decode import Decoded
from adavit.data.files.formats import Unreadable
from adavit.data.files.frames import found_frames, list_frames
from adavit.data.files.members import Skipped, printable
from adavit.data.reading import Reading, Scale16Bit
from adavit.data.split import draw_evenly
from adavit.data.unusable_source import source_called
from adavit.errors import RunError, UserError
from adavit.runtime.console import Console
from adavit.runtime.randomness import seed_for
from adavit.runtime.wording import listed

RESOLUTION = 64
"""Side in pixels at which images are looked at for whether they can be read."""

_NO_PART = "gave no part"


@dataclass
class Derived:
    """What was made.

    Attributes:
        scale_16bit: Which sample became white in images of more than 8 bits, as of a `Reading`.
        written: Number of images.
        skipped: Files that could not be read, or gave nothing.
        frames: Of each file that has more than one image, how many; the first was taken.
        depth: What was seen of images of more than 8 bits.
    """

    scale_16bit: Scale16Bit
    written: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    depth: Depth = field(default_factory=Depth)

    @property
    def notes(self) -> list[str]:
        """What its user should know of it, as sentences."""
        frames = [f"{found_frames(self.frames)}; the first of each is used."] if self.frames else []
        return [*frames, *self.depth.notes(self.scale_16bit)]


def crop(
    source: str,
    cut: Cut,
    out: Path,
    *,
    console: Console,
    data_root: Path | None = None,
    scale_16bit: Scale16Bit = "auto",
    follow_links: bool = False,
) -> Derived:
    """Cuts every image of a set.

    Args:
        source: A folder, a zip or a name.
        cut: How.
        out: Folder or zip for the parts; classes by folder or dataset.json are kept.
        console: Told how it goes.
        data_root: Where named sets are downloaded to; None for a folder in the cache.
        scale_16bit: Which sample of more than 8 bits becomes 255, as of a `Reading`; "set" looks at all of the set.
        follow_links: Also follow links that lead out of the folder.

    Raises:
        UserError: If source, cut or folder are not what they should be, or nothing is left.
        RunError: If it cannot be written.
    """
    with (
        source_called(None),
        open_source(source, data_root, follow_links=follow_links) as collection,
    ):
        made = Derived(scale_16bit, skipped=list(collection.skipped))
        files = list(collection.images())
        if not files:
            raise no_readable_image(collection.source, made.skipped)
        cut.check([file.name for file in files])
        names = _names_to_write(collection, files)
        check_names(names, out, "--out")
        labels = labels_given(collection)
        origins: dict[str, str] = {}
        readable = []
        with written_set(out, "--out", source) as writer:
            writer.expect(names)
            white = white_of_whole(files, scale_16bit)
            for at, (file, name) in enumerate(zip(files, names, strict=True)):
                parts = _cut_file(file, name, cut, white, writer, made)
                if parts is not None:
                    readable.append(at)
                    origins |= dict.fromkeys(parts, file.name)
                console.activity("cutting", at + 1, len(files))
            if not origins:
                raise _nothing_cut(collection.source, cut, made.skipped)
            writer.add_labels(
                labels_of_made(origins, labels, classes=_class_numbers(collection, files, readable))
            )
    made.written = len(origins)
    return made


def _nothing_cut(source: str, cut: Cut, skipped: Sequence[Skipped]) -> UserError:
    # What could not be read comes first, as it may be all that is told.
    told = sorted(skipped, key=lambda each: (each.reason == _NO_PART, each.name))
    if told[-1].reason != _NO_PART:
        return no_readable_image(source, told)
    remedy = "smaller tiles" if isinstance(cut, Tiles) else "boxes of files that can be read"
    return UserError(
        f"'{printable(source)}' gave no part of an image ({told_skipped(told)}), expected at least one. Ask for"
        f" {remedy}."
    )


def _names_to_write(collection: Collection, files: Sequence[SourceImage]) -> list[str]:
    names = [file.name for file in files]
    labels = None if collection.has_files else collection.labels(range(len(files)))
    if labels is None or labels.indices is None:
        return names
    kinds = [labels.classes[at] for at in labels.indices.tolist()]
    return [_name_in_class(name, kind) for name, kind in zip(names, kinds, strict=True)]


def _class_numbers(
    collection: Collection, files: Sequence[SourceImage], readable: Sequence[int]
) -> dict[str, int] | None:
    """The class of each file that can be read, by its name; None where they have none."""
    indices = collection.labels(readable).indices
    if indices is None:
        return None
    return {files[at].name: label for at, label in zip(readable, indices.tolist(), strict=True)}


def _cut_file(
    file: SourceImage, name: str, cut: Cut, white: int | None, writer: SetWriter, made: Derived
) -> list[str] | None:
    """Writes the parts of an image, named after `name`.

    Returns:
        The names that they have got; None where it cannot be read.
    """
    try:
        image = _whole(file, white, made)
    except Unreadable as error:
        made.skipped.append(Skipped(printable(file.name), str(error)))
        return None
    written = [
        writer.add_image(name, part, image.discriminator_saw, ending)
        for ending, part in cut.parts(file.name, image.planes)
    ]
    if not written:
        made.skipped.append(Skipped(printable(file.name), _NO_PART))
    return written


def _whole(file: SourceImage, white: int | None, made: Derived) -> Decoded:
    try:
        with file.open() as opened:
            frames = len(list_frames(opened))
            image = decode_whole(opened, white)
    except MemoryError as error:
        raise RunError(
            f"there is not enough memory to decode {printable(file.name)}. Free some, or leave the image out."
        ) from error
    if frames > 1:
        made.frames.append(frames)
    made.depth.add(image)
    return image


def _still_readable(file: SourceImage, white: int | None, made: Derived) -> Decoded:
    """As `_whole`, of an image that was read before."""
    try:
        return _whole(file, white, made)
    except Unreadable as error:
        raise no_longer_read(file, error) from None


def subset(
    source: str,
    count: int,
    out: Path,
    *,
    seed: int,
    balanced: bool,
    console: Console,
    data_root: Path | None = None,
    scale_16bit: Scale16Bit = "auto",
    follow_links: bool = False,
) -> Derived:
    """Draws some images of a set.

    Args:
        source: A folder, a zip or a name.
        count: How many.
        out: Folder or zip for them; classes by folder or dataset.json are kept.
        seed: Of the draw.
        balanced: As many of each class, to one; otherwise each class has its share.
        console: Told how it goes.
        data_root: Where named sets are downloaded to; None for a folder in the cache.
        scale_16bit: Which sample of more than 8 bits becomes 255, as of a `Reading`; "set" looks at all of the set.
        follow_links: Also follow links that lead out of the folder.

    Raises:
        UserError: If there are not so many, or source or folder are not what they should be.
        RunError: If it cannot be written.
    """

    def progress(done: int, of: int) -> None:
        console.activity("decoding", done, of)

    with open_set(
        source,
        progress=progress,
        default_resolution_cap=RESOLUTION,
        reading=Reading(follow_links=follow_links),
        data_root=data_root,
    ) as opened:
        chosen = _drawn(opened, count, seed, balanced)
        made = Derived(scale_16bit, skipped=list(opened.images.skipped))
        files = [opened.file_of(index) for index in chosen.tolist()]
        kinds = [None if opened.has_files else opened.class_of(at) for at in chosen.tolist()]
        names = [
            file.name if kind is None else _name_in_class(file.name, kind)
            for file, kind in zip(files, kinds, strict=True)
        ]
        check_names(names, out, "--out")
        with written_set(out, "--out", source) as writer:
            writer.expect(names)
            white = white_of_whole(opened.files, scale_16bit)
            origins: dict[str, str] = {}
            for done, (file, name) in enumerate(zip(files, names, strict=True), start=1):
                image = _still_readable(file, white, made)
                written = writer.add_image(name, image.planes, image.discriminator_saw)
                origins[written] = file.name
                console.activity("writing", done, len(chosen))
            writer.add_labels(labels_of_made(origins, opened.labels, classes=opened.class_numbers))
    made.written = len(origins)
    return made


def _name_in_class(name: str, kind: str) -> str:
    """Of an image that is no file of the user's: its class as a folder, and its name in the set."""
    return f"{printable(kind).replace('/', '-')}/{name}"


def _drawn(opened: SourceSet, count: int, seed: int, balanced: bool) -> np.ndarray:
    images = opened.images
    total, labels = len(images), images.labels
    if count > total:
        raise UserError(
            f"--count asks for {count:,} images, but the set has {total:,} that can be read, expected at most so"
            " many. Lower --count."
        )
    if not balanced:
        return draw_evenly(labels, total, count, seed)
    if labels is None:
        raise UserError(
            "--balanced was given, but the set has no classes, expected sub-folders or a dataset.json with labels."
            " Leave --balanced out."
        )
    classes = len(images.classes)
    each, more = divmod(count, classes)
    sizes = np.bincount(labels, minlength=classes)
    # What is over goes to the largest classes, one each.
    wanted = np.full(classes, each)
    wanted[np.argsort(-sizes, kind="stable")[:more]] += 1
    short = [printable(images.classes[at]) for at in np.flatnonzero(sizes < wanted)]
    if short:
        most = classes * sizes.min() + np.count_nonzero(sizes > sizes.min())
        raise UserError(
            f"--count {count} --balanced asks for {each:,} images of each of {classes} classes, and one more of"
            f" {more:,}, but fewer are in {listed(short)} (at least {sizes.min():,} in each), expected at most {most:,}"
            " in all. Lower --count, or leave --balanced out."
        )
    parts = []
    for at in range(classes):
        members = np.flatnonzero(labels == at)
        stream = seed_for(seed, "balanced subset", at)
        parts.append(members[draw_evenly(None, len(members), int(wanted[at]), stream)])
    return np.sort(np.concatenate(parts))
