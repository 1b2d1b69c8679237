"""How many near copies are confirmed by pixels, and by what a network sees: `python benchmarks/near_copies.py cifar10`.

Of each kind 100 copies are added to 2,000 images of a set. A copy is found if it is paired with its original; the pairs
among the set's own images are counted too, and --pictures shows those that only the network confirms.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from adavit.curation.likeness import compared, shrunk
from adavit.curation.perceptual_hashes import PerceptualHashes
from adavit.curation.seen_likeness import SeenLikeness
from adavit.curation.source_set import open_set

IMAGES, COPIES = 2000, 100
LANCZOS = Image.Resampling.LANCZOS
Copy = Callable[[Image.Image], Image.Image]

Candidate = tuple[int, int, bool]
"""Two indices, ascending, and whether the second image is mirrored."""


def jpeg(quality: int) -> Copy:
    """Saves again; what is transparent cannot be."""

    def save(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=quality)
        return Image.open(buffer)

    return save


def cut(share: float) -> Copy:
    """Leaves a share of each side out, half of it at either end, and enlarges the rest."""

    def crop(image: Image.Image) -> Image.Image:
        width, height = image.size
        x, y = share / 2 * width, share / 2 * height
        return image.resize(image.size, LANCZOS, box=(x, y, width - x, height - y))

    return crop


def light(added: float, factor: float) -> Copy:
    """Moves and scales the levels of colour, not of alpha."""

    def change(image: Image.Image) -> Image.Image:
        values = np.asarray(image).astype(np.float32)
        colour = values[..., :3] if values.ndim == 3 else values
        colour[...] = 128 + factor * (colour - 128) + added
        return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))

    return change


def scaled(factor: float) -> Copy:
    """To another size and back."""

    def resize(image: Image.Image) -> Image.Image:
        size = round(image.width * factor), round(image.height * factor)
        return image.resize(size, LANCZOS).resize(image.size, LANCZOS)

    return resize


def mirror(image: Image.Image) -> Image.Image:
    """Left and right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


KINDS: dict[str, Copy] = {
    "JPEG of quality 30": jpeg(30),
    "JPEG of quality 60": jpeg(60),
    "JPEG of quality 90": jpeg(90),
    "cut by 2%": cut(0.02),
    "cut by 4%": cut(0.04),
    "cut by 6%": cut(0.06),
    "15 levels lighter": light(15, 1),
    "1.2 times the contrast": light(0, 1.2),
    "0.8 times the contrast": light(0, 0.8),
    "half the size and back": scaled(0.5),
    "1.5 times the size and back": scaled(1.5),
    "mirrored": mirror,
}


def found(images: np.ndarray) -> list[set[Candidate]]:
    """Pairs with close hashes; those that pixels confirm, those that the network does, and those that either does."""
    small = shrunk(images)
    hashes = PerceptualHashes(small)
    seen = SeenLikeness(small, hashes.close)
    kinds: list[set[Candidate]] = [set(), set(), set(), set()]
    for mirrored in (False, True):
        for first, others in hashes.candidates(mirrored=mirrored):
            if not len(others):
                continue
            pixels = compared(small[first].flip(-1) if mirrored else small[first], small[others])
            is_near = seen.distances(first, others, mirrored=mirrored) <= seen.limit
            by_either = pixels.is_copy | (is_near & pixels.may_be_copy)
            is_close = torch.ones_like(is_near)
            for kind, confirmed in zip(
                kinds, (is_close, pixels.is_copy, is_near, by_either), strict=True
            ):
                kind |= {(first, second, mirrored) for second in others[confirmed].tolist()}
    return kinds


def as_picture(image: np.ndarray) -> Image.Image:
    """Of uint8 [C, H, W]."""
    return Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))


def main() -> None:
    """Prints a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", help="folders, zips or names")
    parser.add_argument("--seed", type=int, default=0, help="of which images are taken")
    parser.add_argument(
        "--pictures", type=Path, help="folder for pairs that the network alone confirms"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    for source in given.sources:
        with open_set(source, default_resolution_cap=64) as opened:
            images = np.array(opened.images.images)
        random = np.random.default_rng(given.seed)
        images = images[np.sort(random.permutation(len(images))[:IMAGES])]
        originals = random.permutation(len(images))[:COPIES]
        close, *own = found(images)
        print(
            f"\n{source}: {len(images):,} images of {images.shape[1]} channels, {len(close):,} pairs with close hashes"
        )
        print("| copies | close hashes | pixels | network | either |\n|---|---|---|---|---|")
        for kind, copy in KINDS.items():
            if images.shape[1] == 4 and kind.startswith("JPEG"):
                continue
            made = [np.asarray(copy(as_picture(images[at]))) for at in originals]
            copies = np.stack(
                [each[None] if each.ndim == 2 else each.transpose(2, 0, 1) for each in made]
            )
            pairs = found(np.concatenate([images, copies]))
            wanted = {
                (int(at), len(images) + number, kind == "mirrored")
                for number, at in enumerate(originals)
            }
            print(
                "| " + " | ".join([kind, *(str(len(wanted & each)) for each in pairs)]) + " |",
                flush=True,
            )
        print(
            "| pairs of its own | " + " | ".join(str(len(each)) for each in (close, *own)) + " |",
            flush=True,
        )
        if given.pictures is not None:
            save(images, sorted(own[2] - own[0]), given.pictures / f"{Path(source).stem}.png")


def save(images: np.ndarray, pairs: list[Candidate], path: Path) -> None:
    """Pairs side by side, eight in a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.new("RGB", (8 * 136, 68 * (len(pairs) // 8 + 1)), "grey")
    for number, (first, second, _) in enumerate(pairs):
        for right, at in enumerate((first, second)):
            tile = as_picture(images[at]).resize((64, 64)).convert("RGBA")
            place = 136 * (number % 8) + 65 * right, 68 * (number // 8)
            sheet.paste(tile, place, tile)
    sheet.save(path)


if __name__ == "__main__":
    main()
