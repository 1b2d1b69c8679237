"""Images per second and peak memory of a discriminator's step, by part and resolution, with and without a penalty.

    python benchmarks/discriminators.py                                  stems, attentions and the ResNets at 32 px
    python benchmarks/discriminators.py --resolutions 32 64 128 --parts stem position_embedding
    python benchmarks/discriminators.py --patch 1 --parts attention      1,024 tokens at 32 px

A step is the discriminator's: logits of real and generated images, the non-saturating loss, the gradients and
Adam; data are random and not augmented. Columns:

    fused   no penalty, fused attention (what a step without a penalty does)
    exact   no penalty, exact attention
    R1      R1 at the real images by double backward: exact attention for them, fused for the generated ones
    approx  the finite difference (D(x + s n) - D(x)) / s in place of R1, fused throughout

The rate is the median of several rounds, taken in turn so that a slow moment of the machine meets every column, to and
fro so that no column always follows the same one. `exact/fused` is the median, over the rounds, of the time of the
exact step divided by that of the fused one: above 1 the fused one is the faster. Memory is the peak of what a step
allocates above weights and data, in MiB. The load average is printed beside them: above 1 at the start, other work
shares the cores and the rates mean little.
On a CPU `2>/dev/null` hides the lines that PyTorch's profiler prints by itself.
"""

import argparse
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import nn

from adavit.models import ResNetDiscriminator, ViTDiscriminator, count_parameters
from adavit.models.resnet.discriminator import FORMS
from adavit.models.vit.parts import (
    ATTENTIONS,
    CONSTRAINTS,
    POSITIONS,
    READOUTS,
    STEMS,
)
from adavit.runtime.devices import keep_freed_memory
from adavit.training.objectives.losses import discriminator_loss
from adavit.training.objectives.penalties import r1_penalty
from benchmarks.measuring import load, peak_bytes, print_header, synchronise

TABLES: dict[str, list[str]] = {
    "stem": list(STEMS),
    "position_embedding": list(POSITIONS),
    "attention": list(ATTENTIONS),
    "readout": list(READOUTS),
    "weight_constraint": list(CONSTRAINTS),
}
COLUMNS = ("fused", "exact", "R1", "approx")
RATIO = "exact/fused"
SIGMA = 0.01
MIB = 2**20


def main() -> None:
    """Prints the table."""
    arguments = parse()
    device = torch.device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()  # as training does
    print_header(device, arguments.precision)
    placed: dict[str, Any] = {"device": device, "memory_format": torch.channels_last}
    columns = "".join(f"{name:>9}" for name in COLUMNS)
    for resolution in arguments.resolutions:
        patch = arguments.patch or max(1, resolution // 8)
        print(
            f"\n{resolution}x{resolution}, batch {arguments.batch}; vit: patch {patch},"
            f" {(resolution // patch) ** 2} tokens, width {arguments.width}, depth"
            f" {arguments.depth}, heads {arguments.heads}; resnet: {arguments.channels} channels"
        )
        print(f"{'':32} {'M weights':>9} |{columns} images/s {RATIO} |{columns} MiB")
        for label, network in networks(arguments, resolution, patch):
            network = network.to(**placed)
            rates, ratio, peaks = measured(network, arguments, resolution, device)
            print(
                f"{label:32} {count_parameters(network) / 1e6:9.2f}"
                f" |{''.join(f'{rate:9.1f}' for rate in rates)} {ratio:20.3f}"
                f" |{''.join(f'{peak:9.1f}' for peak in peaks)}",
                flush=True,
            )
    print(f"\n{load()} at the end")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resolutions", type=int, nargs="+", default=[32])
    parser.add_argument("--parts", nargs="*", choices=[*TABLES, "form"], default=None)
    parser.add_argument("--patch", type=int, help="[resolution / 8]")
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--channels", type=int, default=64, help="of the ResNets, everywhere")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if arguments.parts is None:
        arguments.parts = ["stem", "attention", "form"]
    return arguments


VIT: dict[str, Any] = {
    "mlp_ratio": 4.0,
    "layer_scale": 0.1,
    "stem": "overlap",
    "position_embedding": "learned1d",
    "attention": "qknorm",
    "readout": "cls",
    "weight_constraint": "none",
    "registers": 0,
    "patch_drop": 0.0,
}
"""The parts that an accelerator gets by default."""


def networks(
    arguments: argparse.Namespace, resolution: int, patch: int
) -> list[tuple[str, nn.Module]]:
    """The default transformer, one for each other name of the wanted parts, and the ResNets."""
    images: dict[str, Any] = {
        "resolution": resolution,
        "image_channels": 3,
        "num_classes": 0,
        "minibatch_std_group": 0,
    }
    sizes: dict[str, Any] = {
        **images,
        **VIT,
        "patch": patch,
        "width": arguments.width,
        "depth": arguments.depth,
        "heads": arguments.heads,
    }
    wanted: list[tuple[str, dict[str, str]]] = [("vit, the default parts", {})]
    for key in (key for key in TABLES if key in arguments.parts):
        wanted += [(f"vit {key} {name}", {key: name}) for name in TABLES[key]]
    rows: list[tuple[str, nn.Module]] = []
    for label, parts in wanted:
        try:
            rows.append((label, ViTDiscriminator(**{**sizes, **parts})))
        except ValueError as error:
            print(f"left out: {label} ({error})")
    if "form" in arguments.parts:
        for form in FORMS:
            channels = {
                "channel_base": arguments.channels * resolution,
                "channel_max": arguments.channels,
            }
            made = ResNetDiscriminator(
                **{**images, "minibatch_std_group": 4},
                form=form,
                normalization="none",
                label_layers=2,
                **channels,
            )
            rows.append((f"resnet form {form}", made))
    return rows


def measured(
    network: nn.Module, arguments: argparse.Namespace, resolution: int, device: torch.device
) -> tuple[list[float], float, list[float]]:
    """Images per second of each column, exact over fused time, and peak MiB of each column."""
    shape = (arguments.batch, 3, resolution, resolution)
    real, generated = (torch.rand(shape, device=device) * 2 - 1 for _ in range(2))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.0, 0.99), fused=True)
    autocast = torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=arguments.precision == "bf16"
    )

    def step(column: str) -> None:
        inputs = real.detach().requires_grad_(column == "R1")
        with autocast:
            real_logits = network(inputs, twice_differentiable=column in ("exact", "R1"))
            generated_logits = network(generated, twice_differentiable=column == "exact")
            loss = discriminator_loss(real_logits, generated_logits).mean()
            if column == "approx":
                moved = network(inputs + SIGMA * torch.randn_like(inputs))
                loss = loss + ((moved - real_logits) / SIGMA).square().mean()
        if column == "R1":
            loss = loss + r1_penalty(real_logits, inputs).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    times: dict[str, list[float]] = {column: [] for column in COLUMNS}
    peaks = []
    for column in COLUMNS:
        step(column)  # warms up, and makes Adam's moments
        peaks.append(peak_bytes(partial(step, column), device) / MIB)
    for turn in range(arguments.rounds):
        for column in COLUMNS if turn % 2 else reversed(COLUMNS):
            started = time.perf_counter()
            step(column)
            synchronise(device)
            times[column].append(time.perf_counter() - started)
    rates = [arguments.batch / statistics.median(times[column]) for column in COLUMNS]
    pairs = zip(times["exact"], times["fused"], strict=True)
    return rates, statistics.median(exact / fused for exact, fused in pairs), peaks


if __name__ == "__main__":
    main()
