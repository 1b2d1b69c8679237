"""Memory of a training step: what is foreseen before a run, and what a process takes.

    python benchmarks/step_memory.py [--weights squeezenet1_0.pth]     table of discriminators, sizes and batches
    python benchmarks/step_memory.py --row "vit 64"                    one row

Each row is a fresh process: three steps with everything due (R1, and the path length where it has a weight), after
one of tiny networks that loads the libraries. Measured is by how much the high-water mark of the resident set rises.
`formula` is the lower bound that is known at a glance, `foreseen` what `--memory` and `--dry-run` reckon with.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, merge
from adavit.config.run import ResolvedConfig
from adavit.features.choice import find_network
from adavit.runtime.devices import keep_freed_memory
from adavit.runtime.resolution import Resolution
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import Start, build_step
from adavit.training.start.footprint import expected_bytes, least_bytes
from benchmarks.gpu.bench import workload_of

CPU = torch.device("cpu")
Layer = dict[str, dict[str, Any]]


def row(kind: str, side: int, batch: int, *, form: str | None = None, **training: Any) -> Layer:
    """Settings beside the defaults of a CPU."""
    of_form = {} if form is None else {"form": form}
    return {
        "data": {"resolution": side},
        "discriminator": {"kind": kind, **of_form},
        "training": {"batch": batch, **training},
    }


ROWS: dict[str, Layer] = {
    "resnet 32": row("resnet", 32, 64),
    "resnet 64": row("resnet", 64, 32),
    "resnet 128": row("resnet", 128, 16),
    "resnet 128 sliced": row("resnet", 128, 32, microbatch=8),
    "resnet 64 bf16": row("resnet", 64, 32, precision="bf16"),
    "resnet 64 path length": row("resnet", 64, 16, path_length=2),
    "r3gan 64": row("resnet", 64, 16, form="r3gan", loss="relativistic"),
    "vit 32": row("vit", 32, 32),
    "vit 64": row("vit", 64, 16),
    "vit 128": row("vit", 128, 16),
    "vit 64 sliced": row("vit", 64, 32, microbatch=16),
    "vit 64 bf16": row("vit", 64, 32, precision="bf16"),
    "features 64": row("resnet", 64, 16),
}
SMALL: Layer = {
    "generator": {"channel_base": 64, "channel_max": 4, "latent_dim": 8, "style_dim": 8},
    "data": {"resolution": 16},
    "training": {"batch": 4, "microbatch": 2, "path_length": 2},
}
NARROW = {
    "vit": {"width": 16, "heads": 1, "depth": 1},
    "resnet": {"channel_base": 64, "channel_max": 4},
}


def configured(name: str, weights: Path | None, *, small: bool = False) -> ResolvedConfig:
    """The settings of a row with the augmentation bgc at p = .5; small for networks that only load the libraries."""
    layer = merge(ROWS[name], {"augment": {"mode": "fixed", "p": 0.5}})
    if name.startswith("features"):
        # Whose library is loaded with small networks too.
        layer = merge(layer, {"features": {"network": f"torchvision:squeezenet1_0:{weights}"}})
    if small:
        narrow = {"discriminator": NARROW[layer["discriminator"]["kind"]]}
        layer = merge(layer, SMALL, narrow)
    resolution = Resolution.of(layer["data"]["resolution"])
    return resolve(build_config([layer]), RunFacts(resolution, 100, "cpu"))


def train(config: ResolvedConfig, steps: int) -> None:
    """Some steps in which everything is due."""
    training, sides, network = config.training, config.data.resolution, config.features.network
    found = None if network is None else find_network(network)
    step = build_step(workload_of(config, CPU), Start(features=found))
    step.set_p(config.augment.p or 0.0)
    for number in range(steps):
        real = torch.zeros(training.batch, 3, *sides)
        step(real, None, images=0, streams=StepStreams.at(0, number))


def megabytes(field: str) -> float:
    """A line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def measure(name: str, weights: Path | None) -> str:
    """One line of the table, in this process."""
    keep_freed_memory()
    train(configured(name, weights, small=True), 1)
    before, config = megabytes("VmRSS"), configured(name, weights)
    train(config, 3)
    measured = megabytes("VmHWM") - before
    formula, said = least_bytes(config) / 2**20, expected_bytes(config, CPU) / 2**20
    images = config.training.images_at_a_time
    return f"| {name} | {images} | {formula:.0f} | {said:.0f} | {measured:.0f} | {said / measured:.2f} |"


def main() -> None:
    """Prints a table, or a row of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, help="of torchvision's squeezenet1_0")
    parser.add_argument("--row", choices=ROWS)
    arguments = parser.parse_args()
    if arguments.row:
        print(measure(arguments.row, arguments.weights))
        return
    print("| setting | images at a time | formula | foreseen | measured | ratio |")
    print("|---|---|---|---|---|---|", flush=True)
    given = [] if arguments.weights is None else ["--weights", str(arguments.weights)]
    for name in ROWS:
        if arguments.weights is not None or not name.startswith("features"):
            subprocess.run([sys.executable, __file__, "--row", name, *given], check=True)


if __name__ == "__main__":
    main()
