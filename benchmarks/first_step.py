"""Seconds from `adavit train` to the end of its first step, of a set that has been decoded and measured before.

    python benchmarks/first_step.py                       five starts of each of the two rows below
    python benchmarks/first_step.py --against ../before   in turn with those of another clone
    python benchmarks/first_step.py --imports             and the libraries that take longest to import, first

The row `no metrics` is imports, data and networks; `default` also scores the generator at 0 kimg, as every run
does that was not told otherwise. CPU seconds are those of the process and all its threads, wall seconds those that a
person waits. A start is killed at the line it prints after its first step. The load average is printed beside it:
above 1 at the start, other work shares the cores and only the CPU seconds mean something.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN = (
    "train --data small_set --batch 32 --kimg 1 --set run.status_every_kimg=0.032"
    " --set run.samples_every_kimg=1"
).split()
ROWS = {"no metrics": ["--metrics", "none"], "default": []}
AFTER_A_STEP = re.compile(rb"images/s")
LISTED = 12


@dataclass(frozen=True)
class Start:
    """What one start took.

    Attributes:
        cpu_seconds: Of the process with its threads.
        wall_seconds: By the clock.
    """

    cpu_seconds: float
    wall_seconds: float


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another clone")
    parser.add_argument("--imports", action="store_true", help="list what is slow to import")
    arguments = parser.parse_args()
    clones = [ROOT] if arguments.against is None else [arguments.against.resolve(), ROOT]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for clone in clones:
            for extra in ROWS.values():  # fills its cache, and compiles its sources
                start(clone, extra, folder)
            if arguments.imports:
                print_imports(clone, folder)
        found: dict[tuple[str, Path], list[Start]] = {
            (row, clone): [] for row in ROWS for clone in clones
        }
        for _ in range(arguments.rounds):
            for row, clone in found:
                found[row, clone].append(start(clone, ROWS[row], folder))
    print(f"{'':12} {'CPU s':>7} {'least':>7} {'wall s':>7} {'least':>7}   clone")
    for (row, clone), starts in found.items():
        cpu, wall = [s.cpu_seconds for s in starts], [s.wall_seconds for s in starts]
        print(
            f"{row:12} {statistics.median(cpu):7.2f} {min(cpu):7.2f}"
            f" {statistics.median(wall):7.2f} {min(wall):7.2f}   {clone.name}"
        )
    print(f"medians and least of {arguments.rounds}; load {os.getloadavg()[0]:.2f} at the end")


def start(clone: Path, extra: list[str], folder: Path) -> Start:
    """Starts a run and kills it after its first step."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        began = time.monotonic()
        process = subprocess.Popen(
            [*program(), *RUN, *extra, "--out", f"{out}/run"],
            cwd=clone,  # where -m looks first
            env=environment(clone, folder),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        with process.stdout as lines:
            stepped = any(AFTER_A_STEP.search(line) for line in lines)
            wall = time.monotonic() - began
        process.send_signal(signal.SIGKILL)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0  # waited for
    if not stepped:
        sys.exit("the run ended before its first step")
    return Start(usage.ru_utime + usage.ru_stime, wall)


def print_imports(clone: Path, folder: Path) -> None:
    """The total of all imports, and the packages with the largest share of it by themselves."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        ended = subprocess.run(
            [
                *program("-X", "importtime"),
                *RUN,
                "--metrics=none",
                "--kimg=0.032",
                f"--out={out}/run",
            ],
            cwd=clone,
            env=environment(clone, folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    lines = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", ended.stderr, re.MULTILINE)
    own: dict[str, float] = {}
    for microseconds, name in lines:
        package = ".".join(name.split(".")[: 2 if name.startswith("torch.") else 1])
        own[package] = own.get(package, 0) + int(microseconds) / 1e6
    print(f"{clone.name}: {len(lines)} modules, {sum(own.values()):.2f} s under -X importtime")
    for package in sorted(own, key=lambda each: -own[each])[:LISTED]:
        print(f"    {own[package]:6.2f} {package}")


def program(*flags: str) -> list[str]:
    """The command line, with this interpreter."""
    return [sys.executable, *flags, "-m", "adavit"]


def environment(clone: Path, folder: Path) -> dict[str, str]:
    """The surroundings of a start, with a cache that clones do not share."""
    cache = str(folder / f"cache {clone.name}")
    return {**os.environ, "PYTHONPATH": str(clone), "ADAVIT_CACHE": cache}


if __name__ == "__main__":
    main()
