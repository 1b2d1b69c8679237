"""Images per second and peak memory of full-size networks at 128 and 256 px on a CPU, in float32 and bf16.

    python benchmarks/full_size.py                           the table, twenty minutes on two cores
    python benchmarks/full_size.py --row "resnet 128 bf16"   one process of it

Networks are those that `auto` chooses on an accelerator, of 512 channels, with bgc at p = .4, where
`benchmarks/gpu_suite.py` measures them. Batches are what a CPU does in seconds. Both precisions are measured in turn,
each time in a process of its own: the ratio is the median over these pairs, images/s are medians, R1 at its interval.
Memory is by how much the high-water mark of the resident set rises in steps with R1, as in `benchmarks/step_memory.py`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adavit.runtime.devices import keep_freed_memory
from adavit.training.start.footprint import expected_bytes
from benchmarks.gpu.bench import KINDS, Bench, Stepper
from benchmarks.measuring import print_header
from benchmarks.step_memory import CPU, megabytes

BATCHES = {128: 8, 256: 4}
"""By side in pixels."""
PRECISIONS = ("float32", "bf16")
ROWS = [f"{kind} {side} {of}" for kind in KINDS for side in BATCHES for of in PRECISIONS]


def measure(name: str, *, toy: bool = False) -> dict[str, float]:
    """Images per second, and MB measured and foreseen, of one setting in this process.

    Args:
        name: One of `ROWS`.
        toy: Whether to take networks of a test.
    """
    kind, side, precision = name.split()
    keep_freed_memory()  # as training does
    bench = Bench(CPU, toy, Path(), 0.0)
    batch = BATCHES[int(side)]
    tiny = bench.config(kind, 16, {"training": {"batch": 4}}, small=True)
    Stepper(bench.step(tiny), tiny, CPU).penalised()  # loads the libraries
    before = megabytes("VmRSS")
    config = bench.config(kind, int(side), {"training": {"batch": batch, "precision": precision}})
    stepper = Stepper(bench.step(config), config, CPU)
    stepper.penalised()
    plain, penalised = seconds(stepper.plain), seconds(stepper.penalised)
    mean = (plain * (stepper.interval - 1) + penalised) / stepper.interval
    return {
        "images/s": batch / mean,
        "MB": megabytes("VmHWM") - before,
        "foreseen": expected_bytes(config, CPU) / 2**20,
    }


def seconds(work: Callable[[], Any]) -> float:
    """The shorter one of two calls."""
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def in_a_process(name: str) -> dict[str, float]:
    """What `measure` finds in a process of its own."""
    command = [sys.executable, __file__, "--row", name]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def line(kind: str, side: int, rounds: int) -> str:
    """One line of the table."""
    pairs = [
        [in_a_process(f"{kind} {side} {precision}") for precision in PRECISIONS]
        for _ in range(rounds)
    ]
    rates = [statistics.median(pair[n]["images/s"] for pair in pairs) for n in range(2)]
    peaks = [max(pair[n]["MB"] for pair in pairs) for n in range(2)]
    foreseen = [found["foreseen"] for found in pairs[0]]
    ratio = statistics.median(bf16["images/s"] / full["images/s"] for full, bf16 in pairs)
    return (
        f"| {kind} | {side} | {BATCHES[side]} | {rates[0]:.2f} | {rates[1]:.2f} | {ratio:.2f}"
        f" | {peaks[0]:,.0f} ({foreseen[0]:,.0f}) | {peaks[1]:,.0f} ({foreseen[1]:,.0f}) |"
    )


def main() -> None:
    """Prints the table, or what one process of it measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="in which both precisions take turns")
    parser.add_argument("--row", choices=ROWS, help="in this process")
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(arguments.row)))
        return
    print_header(CPU)
    print()
    print(
        "| discriminator | px | batch | images/s, float32 | bf16 | bf16 to float32 | MB, float32 (foreseen) | bf16 |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for kind in KINDS:
        for side in BATCHES:
            print(line(kind, side, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
