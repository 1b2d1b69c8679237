"""Frames on images of mixed shapes, and those that a check finds: `python benchmarks/framed_shapes.py flowers.zip`.

Images are enlarged, cut to seven shapes and framed on four sides or two, in white, black or blue. What --fit leaves of
a frame should be found; what it removes should not.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adavit.curation.glance import glance
from adavit.data.dataset import load_images
from adavit.data.files.fit import FITS
from adavit.data.reading import Reading
from adavit.runtime.resolution import Resolution

IMAGES, LONG, SIDE = 240, 256, 64
SHAPES = ((256, 172), (256, 192), (256, 144), (172, 256), (192, 256), (144, 256), (256, 256))
FOUR, TWO = (10, 16, 32), (5, 8)
COLOURS = ((255, 255, 255), (0, 0, 0), (40, 90, 160))
Depths = tuple[int, int]
"""Columns at left and right, and rows above and below."""


def planted(images: np.ndarray, random: np.random.Generator) -> list[tuple[np.ndarray, Depths]]:
    """Framed images, uint8 [H, W, 3], a quarter of them without a frame."""
    made = []
    for image in images:
        width, height = SHAPES[random.integers(len(SHAPES))]
        left, top = (LONG - width) // 2, (LONG - height) // 2
        whole = Image.fromarray(image.transpose(1, 2, 0)).resize(
            (LONG, LONG), Image.Resampling.LANCZOS
        )
        picture = np.array(whole.crop((left, top, left + width, top + height)))
        x = y = 0
        kind = random.integers(8)
        if kind in (2, 3, 4):
            x = y = round(min(width, height) / FOUR[kind - 2])
        elif kind in (5, 6):
            y = round(height / TWO[kind - 5])
        elif kind == 7:
            x = round(width / TWO[1])
        framed = np.full_like(picture, COLOURS[random.integers(len(COLOURS))])
        inside = slice(y, height - y), slice(x, width - x)
        framed[inside] = picture[inside]
        made.append((framed, (x, y)))
    return made


def is_left(image: np.ndarray, depths: Depths, fit: str) -> bool:
    """Whether half a pixel of two opposite strips is left once an image is fitted."""
    height, width = image.shape[:2]
    placement = FITS[fit].place((width, height), Resolution(SIDE, SIDE))  # type: ignore[index]
    part, (down, across) = placement.part, placement.size
    x, y = depths[0] - part.left, depths[1] - part.top
    return max(x * across / part.width, y * down / part.height) >= 0.5


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="a folder, zip or name of images without frames")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    images = load_images(given.source, resolution=SIDE, channels="rgb")
    own = glance(images.images).frames
    random = np.random.default_rng(given.seed)
    chosen = [at for at in random.permutation(len(images)) if at not in own][:IMAGES]
    made = planted(images.images[np.sort(chosen)], random)
    print(
        "| files | `--fit` | framed | found | others | named of them |\n|---|---|---|---|---|---|"
    )
    kinds: list[tuple[str, dict[str, Any]]] = [(".png", {}), (".jpg", {"quality": 85})]
    for suffix, saving in kinds:
        with tempfile.TemporaryDirectory() as folder:
            for number, (image, _) in enumerate(made):
                Image.fromarray(image).save(Path(folder) / f"{number:03d}{suffix}", **saving)
            for fit in FITS:
                seen = load_images(folder, resolution=SIDE, reading=Reading(fit=fit))
                named = set(glance(seen.images, inside=seen.inside).frames)
                left = {
                    at for at, (image, depths) in enumerate(made) if is_left(image, depths, fit)
                }
                counts = len(left), len(named & left), len(made) - len(left), len(named - left)
                print(
                    f"| {suffix[1:]} | {fit} | " + " | ".join(map(str, counts)) + " |", flush=True
                )


if __name__ == "__main__":
    main()
