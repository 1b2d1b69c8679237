"""Can the probes of `adavit leaks` find a rate that is known? A table for all operations of the pipe.

    python benchmarks/leak_recovery.py                      small_set, every operation, about ten minutes
    python benchmarks/leak_recovery.py --operations hue     one of them

The real images are divided at random: for each operation a probe is trained on 45% of them and measured on 20%,
10% are the control, and of the last quarter fakes are made, by applying the operation visibly to none, 10% and 30%.
The estimate should have the true rate inside its 95% interval 19 times out of 20; the control should have 0.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from adavit.augment.settings import OPERATIONS
from adavit.data import load_images
from adavit.diagnostics.leaks.calibration import Parts, calibrate
from adavit.diagnostics.leaks.diagnosis import LEAST_ACCURACY
from adavit.diagnostics.leaks.operations import Operation, operations_by_name
from adavit.diagnostics.leaks.rates import Rate, estimate_rate
from adavit.runtime.randomness import generator_for, seed_for

RATES = (0.0, 0.1, 0.3)
TRAINING, TEST, CONTROL = 0.45, 0.2, 0.1


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="small_set")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    real = load_images(arguments.data, resolution=arguments.resolution)
    order = torch.randperm(len(real), generator=generator_for(arguments.seed, "recovery", 0))
    images = torch.from_numpy(np.array(real.images[order.numpy()]))
    ends = [
        round(len(images) * end) for end in (TRAINING, TRAINING + TEST, TRAINING + TEST + CONTROL)
    ]
    training, test, control, rest = images.tensor_split(ends)
    print(
        f"{real.name}: {len(training)} images train, {len(test)} test, {len(control)} control,"
        f" {len(rest)} become fakes; seed {arguments.seed}, {arguments.device}\n"
    )
    print(
        "| operation | balanced accuracy | sensitivity | specificity | 0% | 10% | 30% | control |"
    )
    print("|---|---|---|---|---|---|---|---|")
    parts = Parts(training, test, control)
    held = told = 0
    for operation in operations_by_name(arguments.operations.split(",")):
        cells, inside, count = recover(
            operation, parts, rest, seed=arguments.seed, device=torch.device(arguments.device)
        )
        held, told = held + inside, told + count
        print(f"| {operation.name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\nThe true rate is inside {held} of {told} intervals (control included).")


def recover(
    operation: Operation, parts: Parts, rest: torch.Tensor, *, seed: int, device: torch.device
) -> tuple[list[str], int, int]:
    """Cells of one row; how many intervals hold the truth, and how many there are."""
    calibrated = calibrate(operation, parts, seed=seed, device=device)
    if calibrated is None:
        return ["-", "-", "-", "changes too few images", "", "", ""], 0, 0
    confusion = calibrated.confusion
    cells = [
        f"{value:.3f}"
        for value in (confusion.balanced_accuracy, confusion.sensitivity, confusion.specificity)
    ]
    if confusion.balanced_accuracy < LEAST_ACCURACY:
        return [*cells, "cannot be told", "", "", ""], 0, 0
    random = np.random.Generator(np.random.PCG64(seed_for(seed, operation.name, 0)))
    inside = 0
    samples = [*fakes_of_known_rates(operation, rest, seed), (0.0, parts.control)]
    for rate, images in samples:
        found = estimate_rate(calibrated.probe.alarms(images).numpy(), confusion, random)
        holds = found.low <= rate <= found.high
        inside += holds
        cells.append(in_percent(found) + ("" if holds else " **outside**"))
    return cells, inside, len(samples)


def fakes_of_known_rates(
    operation: Operation, rest: torch.Tensor, seed: int
) -> Iterator[tuple[float, torch.Tensor]]:
    """Real images of which the first so many show the operation."""
    for rate in RATES:
        fakes = rest.clone()
        stream = generator_for(seed, f"fakes of {operation.name}", round(100 * rate))
        operated, shown = operation.apply(fakes[: round(rate * len(fakes))], stream)
        assert shown.all(), f"{operation.name} leaves some images as they are"
        fakes[: len(operated)] = operated
        yield rate, fakes


def in_percent(rate: Rate) -> str:
    """Estimate and interval."""
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


if __name__ == "__main__":
    main()
