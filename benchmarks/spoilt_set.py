"""A set spoilt on purpose, and what `adavit data check` finds of it: `python benchmarks/spoilt_set.py my_photos.zip`.

Of 300 images drawn from a set with classes some are copied, saved again, cut, mirrored, framed, made oblong with bars,
darkened, put into a second class or broken, in known numbers. The table has what was planted, what was found of it, and
what was found besides.
"""

import argparse
import shutil
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from adavit.curation.check import DataCheck, check_data
from adavit.curation.cleaning import write_cleaned
from adavit.curation.crop_and_subset import subset
from adavit.curation.source_set import open_set
from adavit.runtime.console import SilentConsole

LANCZOS = Image.Resampling.LANCZOS
IMAGES = 300
COPIES, RESAVED, CUT, MIRRORED, LEAKED = 12, 12, 12, 12, 3
FRAMED, OBLONG, BLANK, DARK, MISNAMED, BROKEN = 20, 10, 6, 4, 4, 6
QUALITY, CUT_SHARE, FRAME_SHARE, NOISE_LEVELS, DARKENED = 30, 0.04, 1 / 16, 1, 0.08
LONG, SHORT, BARS_SHARE = 256, 176, 1 / 8
"""Of an oblong image: its sides in pixels, and how much of a side each of two bars takes."""


@dataclass
class Planted:
    """Names of what was spoilt, pairs as "copy = original"."""

    equal: set[frozenset[str]] = field(default_factory=set)
    resaved: set[frozenset[str]] = field(default_factory=set)
    cut: set[frozenset[str]] = field(default_factory=set)
    mirrored: set[frozenset[str]] = field(default_factory=set)
    leaked: set[frozenset[str]] = field(default_factory=set)
    framed: set[str] = field(default_factory=set)
    oblong: set[str] = field(default_factory=set)
    bars: set[str] = field(default_factory=set)
    removed_bars: set[str] = field(default_factory=set)
    blank: set[str] = field(default_factory=set)
    dark: set[str] = field(default_factory=set)
    misnamed: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)


def spoil(folder: Path, seed: int) -> Planted:
    """Spoils the PNG files of a folder with a sub-folder for each class.

    Args:
        folder: Changed in place.
        seed: Of what is spoilt.
    """
    random = np.random.default_rng(seed)
    files = sorted(folder.rglob("*.png"))
    classes = sorted({path.parent for path in files})
    order = iter(random.permutation(len(files)))
    planted = Planted()

    def name(path: Path) -> str:
        return path.relative_to(folder).as_posix()

    def take(count: int) -> Iterable[Path]:
        return [files[next(order)] for _ in range(count)]

    def pair(made: Path, original: Path) -> frozenset[str]:
        return frozenset({name(made), name(original)})

    for path in take(COPIES):
        shutil.copy(path, made := path.with_name(f"copy_of_{path.name}"))
        planted.equal.add(pair(made, path))
    for path in take(RESAVED):
        made = path.with_name(f"resaved_{path.stem}.jpg")
        Image.open(path).convert("RGB").save(made, quality=QUALITY)
        planted.resaved.add(pair(made, path))
    for path in take(MIRRORED):
        made = path.with_name(f"mirrored_{path.name}")
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(made)
        planted.mirrored.add(pair(made, path))
    for path in take(LEAKED):
        other = classes[(classes.index(path.parent) + 1) % len(classes)]
        shutil.copy(path, made := other / f"leaked_{path.name}")
        planted.leaked.add(pair(made, path))
    for path in take(FRAMED):
        image = np.array(Image.open(path).convert("RGB"))
        depth = max(1, round(FRAME_SHARE * len(image)))
        framed = np.full_like(image, 255)
        framed[depth:-depth, depth:-depth] = image[depth:-depth, depth:-depth]
        Image.fromarray(framed).save(path)
        planted.framed.add(name(path))
    for path in take(DARK):
        image = np.array(Image.open(path).convert("RGB"))
        Image.fromarray((image * DARKENED).astype(np.uint8)).save(path)
        planted.dark.add(name(path))
    for path in take(MISNAMED):
        path.rename(made := path.with_suffix(".jpg"))
        planted.misnamed.add(name(made))
    for path in take(CUT):
        whole = Image.open(path)
        x, y = (side * CUT_SHARE / 2 for side in whole.size)
        cut = whole.resize(whole.size, LANCZOS, box=(x, y, whole.width - x, whole.height - y))
        cut.save(made := path.with_name(f"cut_{path.name}"))
        planted.cut.add(pair(made, path))
    for chosen, sides in (
        (planted.oblong, "all"),
        (planted.bars, "long"),
        (planted.removed_bars, "short"),
    ):
        for number, path in enumerate(take(OBLONG)):
            make_oblong(path, sides, turned=number % 2 == 1)
            chosen.add(name(path))
    for number in range(BLANK):
        made = classes[number % len(classes)] / f"blank_{number}.png"
        colour = random.integers(20, 236, 3)
        noise = random.integers(-NOISE_LEVELS, NOISE_LEVELS + 1, (64, 64, 3))
        Image.fromarray((colour + noise).astype(np.uint8)).save(made)
        planted.blank.add(name(made))
    for number in range(BROKEN):
        made = classes[number % len(classes)] / f"broken_{number}.png"
        content = files[number].read_bytes() if files[number].exists() else b""
        made.write_bytes((b"", b"no image", content[: len(content) // 2])[number % 3])
        planted.broken.add(name(made))
    return planted


def make_oblong(path: Path, sides: str, *, turned: bool) -> None:
    """Cuts and enlarges an image to `LONG` x `SHORT`, with black strips along its edges.

    Args:
        path: Of the image, which is replaced.
        sides: "all"; "long" for bars that a crop to a square leaves, and "short" for those that it takes away.
        turned: Whether it stands upright.
    """
    image = np.array(Image.open(path).convert("RGB").resize((LONG, LONG), LANCZOS))
    margin = (LONG - SHORT) // 2
    image = image[margin : margin + SHORT]
    depth = round((FRAME_SHARE if sides == "all" else BARS_SHARE) * SHORT)
    if sides != "short":
        image[:depth] = image[-depth:] = 0
    if sides != "long":
        image[:, :depth] = image[:, -depth:] = 0
    Image.fromarray(image.swapaxes(0, 1) if turned else image).save(path)


def rows(planted: Planted, found: DataCheck) -> list[tuple[str, int, int, int]]:
    """What was planted, found of it, and found besides, by kind."""

    def pairs(mirrored: bool) -> set[frozenset[str]]:
        chosen = [each for each in found.alike if each.mirrored == mirrored]
        return {frozenset({found.name(each.first), found.name(each.second)}) for each in chosen}

    def groups(all_of_them: list[list[int]]) -> set[frozenset[str]]:
        return {frozenset(map(found.name, group)) for group in all_of_them}

    seen = found.seen
    frames = {found.name(at) for at in seen.frames}
    near, framed = planted.resaved | planted.cut, planted.framed | planted.oblong | planted.bars
    # What was planted of one kind, what was found of such kinds, and what was planted of all of them.
    table: list[tuple[str, Collection[object], Collection[object], Collection[object]]] = [
        (
            "exact copies",
            planted.equal,
            groups([g for g in seen.equal if g not in seen.across]),
            (),
        ),
        (f"saved again as JPEG of quality {QUALITY}", planted.resaved, pairs(False), near),
        (f"cut by {CUT_SHARE:.0%} of each side", planted.cut, pairs(False), near),
        ("mirrored copies", planted.mirrored, pairs(True), ()),
        ("same picture in two classes", planted.leaked, groups(found.across), ()),
        ("white frames of 1/16 of the side", planted.framed, frames, framed),
        ("black frames of oblong images", planted.oblong, frames, framed),
        ("two black bars that the crop leaves", planted.bars, frames, framed),
        ("two black bars that the crop removes", planted.removed_bars, frames, framed),
        ("near-constant", planted.blank, {found.name(at) for at in seen.blank}, ()),
        (f"darkened to {DARKENED:.0%}", planted.dark, {found.name(at) for at in seen.dark}, ()),
        ("PNG called .jpg", planted.misnamed, {name for name, _ in found.suspicious}, ()),
        (
            "broken, cut off, empty",
            planted.broken,
            {each.name for each in found.images.skipped},
            (),
        ),
        (
            "JPEG below quality 50",
            {name for each in planted.resaved for name in each if name.endswith(".jpg")},
            {each.name for each in found.low_quality},
            (),
        ),
    ]
    return [
        (kind, len(wanted), len(set(wanted) & set(got)), len(set(got) - set(wanted) - set(related)))
        for kind, wanted, got, related in table
    ]


def main() -> None:
    """Spoils a set and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="a folder or zip with classes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--keep", type=Path, help="folder for the spoilt set; default: a temporary one"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary) / "spoilt"
        console = SilentConsole()
        subset(given.source, IMAGES, folder, seed=given.seed, balanced=False, console=console)
        planted = spoil(folder, given.seed)
        with open_set(str(folder), default_resolution_cap=64) as opened:
            found = check_data(opened, "spoilt", seed=0, console=console)
            cleaned = write_cleaned(found, opened, Path(temporary) / "cleaned")
    print("| planted | number | found of it | found besides |\n|---|---|---|---|")
    for kind, number, of_it, besides in rows(planted, found):
        print(f"| {kind} | {number} | {of_it} | {besides} |")
    print(f"{len(found.images)} images, {found.effective} without copies; {cleaned}")


if __name__ == "__main__":
    main()
