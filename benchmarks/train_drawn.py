"""Trains the `drawn` extractor and writes its weights where the package has them.

    python benchmarks/train_drawn.py --drawings DRAWN     what is missing in that folder is drawn and trained first

Everything is of fresh drawings: the seeds are beyond those that a set may be named with, so that no `small_set@SEED:N`
shares an image with them. Their truth is known: kind, place, size, direction; the colour is that of the middle of the
object, as drawn. One training image in eight shows no kind, or two: blends and halves of two drawings, shuffled
pieces, soft random fields, flat colours. Nothing else is done to the images: what `benchmarks/drawn_extractor.py`
shows the extractor it has never seen.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from adavit.data.small_set.canvas import Canvas, Number, RandomNumbers
from adavit.data.small_set.images import BATCH, CLASSES, SIZE_PX, VERSION
from adavit.data.small_set.objects import KINDS
from adavit.metrics.extractors import drawn_features
from adavit.metrics.extractors.drawn_features import (
    ATTRIBUTES,
    CONVOLUTIONS,
    FEATURES,
    POOLED_SIDE,
    WEIGHTS,
)
from adavit.metrics.extractors.weight_files import file_digest

TRAIN_SEED, CALIBRATION_SEED, TEST_SEED = 2**31, 2**31 + 1, 2**31 + 2
PART = 30_000
"""Drawings of a file."""

TESTED = 20_000
BATCH_SIZE = 256
PEAK_RATE = 3e-3
NOTHING = len(CLASSES)
NOTHING_SHARE = 8
"""One image in so many shows no kind."""

RECOGNISED_SHARE = 0.999
"""Of real drawings; sets the threshold."""

THUMBNAIL = 4
"""A picture of so many pixels a side is learnt beside the truth, so that the ground counts too."""


class TruthfulCanvas(Canvas):
    """A canvas that remembers where the object was placed.

    Attributes:
        placed: x, y, turns, size and mirror of the last placement, float64 [n, 5].
    """

    def __init__(self, draws: RandomNumbers, size_px: int) -> None:
        self._count = draws.count
        super().__init__(draws, size_px)

    def place(
        self, x: Number, y: Number, turns: Number, scale: Number, mirror: Number = 1.0
    ) -> None:
        """As `Canvas.place`."""
        shape = (self._count, 1, 1)
        values = (np.broadcast_to(each, shape).ravel() for each in (x, y, turns, scale, mirror))
        self.placed = np.stack(list(values), axis=1)
        super().place(x, y, turns, scale, mirror)


def draw(count: int, seed: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Drawings and their truth.

    Args:
        count: How many, a multiple of 200; the kinds take turns.
        seed: Of the set.
        first: The number of the first batch of each kind.

    Returns:
        Images, uint8 [count, S, S, 3], and where the objects lie, float32 [count, 5].
    """
    images = np.empty((count, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    placed = np.empty((count, 5), dtype=np.float32)
    kinds = len(CLASSES)
    for number in range(count // (kinds * BATCH)):
        start, end = number * kinds * BATCH, (number + 1) * kinds * BATCH
        for kind, name in enumerate(CLASSES):
            draws = RandomNumbers((VERSION, kind, first + number, seed), BATCH)
            canvas = TruthfulCanvas(draws, SIZE_PX)
            KINDS[name](canvas, draws)
            images[start + kind : end : kinds] = canvas.finish()
            placed[start + kind : end : kinds] = canvas.placed
    return images, placed


def drawn(folder: Path, name: str, count: int, seed: int, first: int = 0) -> list[np.ndarray]:
    """`draw`, from the folder where it was kept before."""
    path = folder / f"{name}.npz"
    if not path.exists():
        images, placed = draw(count, seed, first)
        np.savez(path, images=images, placed=placed)
    kept = np.load(path)
    return [kept["images"], kept["placed"]]


def colour_bins(images: Tensor, placed: Tensor) -> Tensor:
    """Bin of the mean colour in the middle of each object, int64 [N]: six hues, dark grey, light grey."""
    ticks = (torch.arange(SIZE_PX) + 0.5) / SIZE_PX * 2 - 1
    across = ticks[None, None, :] - placed[:, 0, None, None]
    down = ticks[None, :, None] - placed[:, 1, None, None]
    inside = (across**2 + down**2).sqrt() < 0.5 * placed[:, 3, None, None]  # [N, S, S]
    summed = (images.float() * inside[..., None]).sum(dim=(1, 2))
    red, green, blue = (summed / inside.sum(dim=(1, 2))[:, None] / 255).unbind(dim=1)
    highest, lowest = (
        torch.stack([red, green, blue]).amax(0),
        torch.stack([red, green, blue]).amin(0),
    )
    chroma = highest - lowest
    hue = torch.atan2(3**0.5 * (green - blue), 2 * red - green - blue) / (2 * torch.pi) % 1
    grey = torch.where(highest < 0.55, 6, 7)
    return torch.where(chroma < 0.15, grey, ((hue * 6 + 0.5) % 6).long())


def truth(images: np.ndarray, placed: np.ndarray) -> Tensor:
    """Kind and bins of the attributes, int64 [N, 1 + A]."""
    where = torch.from_numpy(placed)
    colours = [
        colour_bins(torch.from_numpy(images[start : start + 5000]), where[start : start + 5000])
        for start in range(0, len(images), 5000)
    ]
    shift = ((where[:, :2] / (4 / 16) + 0.5) * 3).long().clamp(0, 2)  # within 2 pixels either way
    size = ((where[:, 3:4] - 0.66) / 0.22 * 3).long().clamp(0, 2)
    facing = (where[:, 4:5] < 0).long()
    kinds = (torch.arange(len(images)) % len(CLASSES))[:, None]
    return torch.cat([kinds, shift, size, facing, torch.cat(colours)[:, None]], dim=1)


class Classifier(nn.Module):
    """What `DrawnFeatures` computes, with the batch normalisation that its weights absorb afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        before = 3
        for channels, stride in CONVOLUTIONS:
            self.convolutions.append(nn.Conv2d(before, channels, 3, stride, padding=1, bias=False))
            self.norms.append(nn.BatchNorm2d(channels))
            before = channels
        self.dense = nn.Linear(before * POOLED_SIDE**2, FEATURES)
        self.heads = nn.Linear(FEATURES, len(CLASSES) + 1 + sum(ATTRIBUTES.values()))
        self.thumbnail = nn.Linear(FEATURES, 3 * THUMBNAIL**2)

    def forward(self, images: Tensor) -> Tensor:
        """Features [B, F] of images [B, 3, S, S] in [-1, 1]."""
        signal = images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            signal = F.relu(norm(convolution(signal)))
        return self.dense(F.adaptive_avg_pool2d(signal, POOLED_SIDE).flatten(1))

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Of kinds [B, 0] and, where a kind is shown, of the attributes behind it and the thumbnail."""
        features = self(images).float()
        kinds, *attributes = self.heads(features).split(
            [len(CLASSES) + 1, *ATTRIBUTES.values()], dim=1
        )
        shown = labels[:, 0] != NOTHING
        total = F.cross_entropy(kinds, labels[:, 0])
        for said, expected in zip(attributes, labels[:, 1:].unbind(dim=1), strict=True):
            total = total + 0.2 * F.cross_entropy(said[shown], expected[shown])
        small = F.adaptive_avg_pool2d(images, THUMBNAIL).flatten(1)
        return total + F.mse_loss(self.thumbnail(features), small)


def spoiled(images: Tensor, kinds: Tensor, generator: torch.Generator) -> Tensor:
    """Images that show none of the kinds, or parts of two, float [n, 3, S, S] in [-1, 1].

    Args:
        images: Drawings.
        kinds: Theirs [n].
        generator: Source of all random numbers.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    count, side = len(images), images.shape[-1]
    other = images.roll(1, dims=0)
    alike = (kinds == kinds.roll(1))[:, None, None, None]
    blended = torch.lerp(images, other, 0.35 + 0.3 * uniform(count, 1, 1, 1))
    mask = (torch.arange(side) < side * (0.4 + 0.2 * uniform(count, 1)))[:, None, None, :]
    mask = torch.where(uniform(count, 1, 1, 1) < 0.5, mask, mask.transpose(2, 3))
    halves = torch.where(mask, images, other)
    tiles = images.unfold(2, 8, 8).unfold(3, 8, 8)  # [n, 3, 4, 4, 8, 8]
    tiles = tiles.flatten(2, 3)[:, :, torch.randperm(16, generator=generator)].unflatten(2, (4, 4))
    shuffled = tiles.permute(0, 1, 2, 4, 3, 5).reshape(images.shape)
    coarse = torch.randn(count, 3, 6, 6, generator=generator) * 0.7
    fields = F.interpolate(coarse, size=(side, side), mode="bicubic").clamp(-1, 1)
    flat = (2 * uniform(count, 3, 1, 1) - 1).expand(images.shape)
    chosen = torch.randint(0, 10, (count, 1, 1, 1), generator=generator)
    made = torch.where(chosen < 3, blended, halves)
    made = torch.where((chosen >= 6) | (alike & (chosen < 6)), shuffled, made)
    made = torch.where(chosen == 8, fields, made)
    return torch.where(chosen == 9, flat, made)


def batches(
    images: np.ndarray, labels: Tensor, epochs: float, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches in [-1, 1] with their labels, some of them spoiled."""
    steps = int(epochs * len(images)) // BATCH_SIZE
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < BATCH_SIZE:
            order = torch.cat([order, torch.randperm(len(images), generator=generator)])
        chosen, order = order[:BATCH_SIZE], order[BATCH_SIZE:]
        batch = torch.from_numpy(images[chosen.numpy()]).permute(0, 3, 1, 2).float() / 127.5 - 1
        expected = labels[chosen].clone()
        some = BATCH_SIZE // NOTHING_SHARE
        batch[:some] = spoiled(batch[:some], expected[:some, 0], generator)
        expected[:some, 0] = NOTHING
        yield batch.contiguous(memory_format=torch.channels_last), expected


def train(images: np.ndarray, labels: Tensor, epochs: float) -> Classifier:
    """The classifier, in bfloat16 where the network is concerned."""
    torch.manual_seed(0)
    network = Classifier().to(memory_format=torch.channels_last)
    steps = int(epochs * len(images)) // BATCH_SIZE
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    for step, (batch, expected) in enumerate(batches(images, labels, epochs, generator)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = network.loss(batch, expected)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(
                f"step {step} of {steps}: loss {loss:.4f}, {time.process_time():.0f} CPU s",
                flush=True,
            )
    return network.eval()


def trained(folder: Path, images: np.ndarray, labels: Tensor, epochs: float) -> Classifier:
    """The classifier of so many drawings and epochs, trained unless the folder has it."""
    kept = folder / f"network-{len(images)}-{epochs:g}.pt"
    if not kept.exists():
        torch.save(train(images, labels, epochs).state_dict(), kept)
    network = Classifier()
    network.load_state_dict(torch.load(kept))
    return network.eval()


@torch.no_grad()
def folded(network: Classifier, images: np.ndarray) -> dict[str, Tensor]:
    """Weights by the names of `DrawnFeatures`: without the normalisation, and features of mean 0 and mean variance 1.

    Args:
        network: Trained.
        images: Drawings that mean and variance are taken of.
    """
    state: dict[str, Tensor] = {}
    for index, (convolution, norm) in enumerate(
        zip(network.convolutions, network.norms, strict=True)
    ):
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        state[f"convolution{index}.weight"] = convolution.weight * gain[:, None, None, None]
        state[f"convolution{index}.bias"] = norm.bias - norm.running_mean * gain
    features = torch.cat(
        [
            network(torch.from_numpy(part).permute(0, 3, 1, 2).float() / 127.5 - 1)
            for part in np.array_split(images, -(-len(images) // 500))
        ]
    ).double()
    mean, scale = features.mean(dim=0), features.var(dim=0).mean().sqrt()
    state["dense.weight"] = network.dense.weight.double() / scale
    state["dense.bias"] = (network.dense.bias.double() - mean) / scale
    state["heads.weight"] = network.heads.weight.double() * scale
    state["heads.bias"] = network.heads.bias.double() + network.heads.weight.double() @ mean
    return {name: each.half().contiguous() for name, each in state.items()}


def outputs(state: dict[str, Tensor], images: np.ndarray) -> tuple[Tensor, Tensor]:
    """Probabilities of the kinds [N, 11], and the bins said of each attribute [N, A]."""
    network = drawn_features.DrawnFeatures(state, "")
    features = torch.cat(
        [network(torch.from_numpy(part).permute(0, 3, 1, 2)) for part in np.array_split(images, 40)]
    )
    return network.said(features)


def main() -> None:
    """Draws, trains, calibrates, tests, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--drawings", type=Path, required=True, help="folder of drawings")
    parser.add_argument("--parts", type=int, default=10, help=f"times {PART:,} drawings")
    parser.add_argument("--epochs", type=float, default=1.0)
    given = parser.parse_args()
    given.drawings.mkdir(parents=True, exist_ok=True)
    batches_of_part = PART // (BATCH * len(CLASSES))
    parts = [
        drawn(given.drawings, f"part{index}", PART, TRAIN_SEED, index * batches_of_part)
        for index in range(given.parts)
    ]
    labels = torch.cat([truth(*part) for part in parts])
    images = np.concatenate([part[0] for part in parts])
    print(f"{len(images):,} drawings, {time.process_time():.0f} CPU s", flush=True)
    network = trained(given.drawings, images, labels, given.epochs)
    state = folded(network, images[:20_000])
    calibration, _ = drawn(given.drawings, "calibration", TESTED, CALIBRATION_SEED)
    probabilities, _ = outputs(state, calibration)
    confidence = probabilities[:, : len(CLASSES)].amax(dim=1)
    threshold = confidence.quantile(1 - RECOGNISED_SHARE)
    state["threshold"] = threshold
    tested = drawn(given.drawings, "test", TESTED, TEST_SEED)
    probabilities, said = outputs(state, tested[0])
    expected = truth(*tested)
    kind = probabilities[:, : len(CLASSES)].argmax(dim=1)
    accuracy = (kind == expected[:, 0]).double().mean()
    print(f"threshold {threshold:.4f}; kinds of {TESTED:,} fresh drawings: {accuracy:.4%} right")
    for name, bins, right in zip(ATTRIBUTES, said.T, expected[:, 1:].T, strict=True):
        print(f"{name}: {(bins == right).double().mean():.2%} right")
    path = Path(drawn_features.__file__).parent / WEIGHTS
    # One entry: the order of several is drawn anew each time, and with it the digest.
    noted = {"trained": f"{len(images)} drawings, epochs {given.epochs:g}; {accuracy:.4%} right"}
    save_file(state, path, noted)
    print(f"{path}: {path.stat().st_size:,} bytes, sha256 {file_digest(path)}")


if __name__ == "__main__":
    main()
