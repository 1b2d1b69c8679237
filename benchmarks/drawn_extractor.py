"""What the `drawn` extractor sees in drawings that something was done to, and in generators, beside the `random` one.

    python benchmarks/drawn_extractor.py --picture seen.png [RUN ...]

Prints a table and draws ten images of each row. The reference is `small_set`; rows are 2,000 images of
`small_set@1`, as they are and with one thing done to them, and of the last generator of each RUN. Behind a distance
stands how many times that of the fresh drawings it is.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from adavit.data.small_set.images import CLASSES, draw_small_set
from adavit.evaluation.evaluator import Evaluator
from adavit.generation.sampling import generated_batches
from adavit.metrics import FeatureExtractor, choose_extractor
from adavit.runs.generator_file import read_generator

COUNT = 2000
SHOWN = 10
COPIED = 50
MISSING = "cat"
BLUR_PX = 0.5
DITHER = 10
METRICS = ("fid", "kid", "precision", "recall")


def whole(images: Tensor) -> Tensor:
    """Pixel values as uint8."""
    return images.round().clamp(0, 255).to(torch.uint8)


def uncoloured(images: Tensor) -> Tensor:
    """Grey."""
    return whole(images.float().mean(dim=1, keepdim=True)).expand(-1, 3, -1, -1)


def without_one_kind(images: Tensor) -> Tensor:
    """Other drawings in the place of those of one kind."""
    kind, kinds = CLASSES.index(MISSING), len(CLASSES)
    others = torch.from_numpy(draw_small_set(COUNT // 8, seed=2)[0]).permute(0, 3, 1, 2)
    others = others[torch.arange(len(others)) % kinds != kind]
    replaced = images.clone()
    replaced[kind::kinds] = others[: len(replaced[kind::kinds])]
    return replaced


def dithered(images: Tensor) -> Tensor:
    """A checkerboard of single pixels."""
    ticks = torch.arange(images.shape[-1])
    board = (ticks[:, None] + ticks[None]) % 2 * 2 - 1
    return whole(images.float() + DITHER * board)


def copied(images: Tensor) -> Tensor:
    """The first few again and again, shifted by up to two pixels."""
    generator = torch.Generator().manual_seed(0)
    padded = F.pad(images[:COPIED].float(), (2, 2, 2, 2), mode="replicate").to(torch.uint8)
    side = images.shape[-1]
    made = []
    for _ in range(len(images)):
        index = int(torch.randint(COPIED, (), generator=generator))
        down, across = torch.randint(5, (2,), generator=generator).tolist()
        made.append(padded[index, :, down : down + side, across : across + side])
    return torch.stack(made)


def blurred(images: Tensor) -> Tensor:
    """A Gaussian blur."""
    taps = torch.exp(-(torch.arange(-3, 4) ** 2) / (2 * BLUR_PX**2))
    across = (taps / taps.sum()).expand(3, 1, 1, -1)
    padded = F.pad(images.float(), (3, 3, 3, 3), mode="reflect")
    return whole(F.conv2d(F.conv2d(padded, across, groups=3), across.mT, groups=3))


ROWS: dict[str, Callable[[Tensor], Tensor]] = {
    "fresh drawings": lambda images: images,
    f"dithered by {DITHER} of 255": dithered,
    f"blurred by {BLUR_PX:g} px": blurred,
    f"no {MISSING}s": without_one_kind,
    f"shifted copies of {COPIED}": copied,
    "uncoloured": uncoloured,
}


def of_run(run: str) -> Tensor:
    """Images of the last generator of a run."""
    stored = read_generator(Path(run), which=None if run.endswith(".safetensors") else "last")
    drawn = generated_batches(stored.generator, COUNT, seed=0, label_counts=stored.label_counts)
    return torch.cat(list(drawn)).cpu()


def evaluator(extractor: FeatureExtractor, reference: np.ndarray) -> Evaluator:
    """What scores a row."""
    recognition = ("recognised", "kinds", "modes") if extractor.name == "drawn" else ()
    return Evaluator(
        extractor,
        reference,
        reference_fingerprint="",
        reference_name="small_set",
        metrics=(*METRICS, *recognition),
    )


def picture(rows: dict[str, Tensor]) -> Image.Image:
    """Ten images of each row, twice their size, under its name."""
    zoom, head = 2, 14
    side = zoom * next(iter(rows.values())).shape[-1]
    sheet = Image.new("RGB", (SHOWN * side, len(rows) * (side + head)), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (name, images) in enumerate(rows.items()):
        top = place * (side + head)
        pen.text((2, top + 1), name, fill="black")
        strip = images[:SHOWN].permute(2, 0, 3, 1).reshape(images.shape[2], -1, 3)
        shown = Image.fromarray(strip.contiguous().numpy())
        sheet.paste(shown.resize((SHOWN * side, side), Image.Resampling.NEAREST), (0, top + head))
    return sheet


def main() -> None:
    """Prints the table, draws the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--picture", type=Path)
    parser.add_argument("runs", nargs="*")
    given = parser.parse_args()
    reference = draw_small_set(COUNT)[0].transpose(0, 3, 1, 2)
    fresh = torch.from_numpy(draw_small_set(COUNT, seed=1)[0]).permute(0, 3, 1, 2)
    rows = {name: change(fresh) for name, change in ROWS.items()}
    rows |= {run: of_run(run) for run in given.runs}
    scorers = [evaluator(choose_extractor(name)[0], reference) for name in ("random", "drawn")]
    print(
        "| images | `fd_random` | `fd_drawn` | `kid_drawn` | precision, recall (drawn) | recognised | kinds | modes |"
    )
    print("|---|---|---|---|---|---|---|---|")
    floors: list[float] = []
    for name, images in rows.items():
        random, drawn = (each.evaluate_images(images.contiguous()) for each in scorers)
        distances = [random["fd_random"], drawn["fd_drawn"]]
        floors = floors or distances
        shown = " | ".join(
            f"{distance:.3g} ({distance / floor:.1f})"
            for distance, floor in zip(distances, floors, strict=True)
        )
        print(
            f"| {name} | {shown} | {drawn['kid_drawn']:.2g} | {drawn['precision_drawn']:.2f},"
            f" {drawn['recall_drawn']:.2f} | {drawn['recognised']:.1%} | {drawn['kinds']:.0f} |"
            f" {drawn['modes']:.0%} |",
            flush=True,
        )
    if given.picture:
        picture(rows).save(given.picture, optimize=True)


if __name__ == "__main__":
    main()
