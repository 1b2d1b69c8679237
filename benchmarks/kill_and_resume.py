"""Kills a run at random moments, resumes it each time, and compares its end with a run never killed.

    python benchmarks/kill_and_resume.py --kills 20
    python benchmarks/kill_and_resume.py --kills 20 --processes 1,2,4 --signals KILL,STOP

With several numbers of processes each session has one of them, drawn, and one process of it, drawn too, is killed or
frozen: the others must end by themselves within a minute, with code 1 and one line that names it. Only such kills are
counted then; sessions of one process, and those killed before there were others, come on top.

Prints where each kill fell and, at the end, whether every tensor of the two checkpoints, every line of the two
logs (but for timings) and every grid of samples are the same. Exits with 1 if they are not.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

RUN = (
    "--data small_set --discriminator vit --batch 16 --microbatch 4 --resolution 16 --fakes 100 --set"
    " metrics.every_kimg=1 --set run.status_every_kimg=0.25 --set run.checkpoint_every_kimg=0.1"
    " --set generator.channel_base=256 --set generator.channel_max=16 --set discriminator.width=32"
    " --set discriminator.heads=2 --set discriminator.depth=2"
).split()
TIMINGS = {"seconds", "images_per_s"}


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--longest",
        type=float,
        default=12,
        help="seconds a session lives at most, start-up included",
    )
    parser.add_argument(
        "--processes",
        type=lambda text: [int(number) for number in text.split(",")],
        default=[1],
        help="numbers to draw from, which divide the four slices",
    )
    parser.add_argument(
        "--signals",
        type=lambda text: [signal.Signals[f"SIG{name}"] for name in text.split(",")],
        default=[signal.SIGKILL],
        help="what is sent to one of several processes, drawn of these; STOP freezes it",
    )
    parser.add_argument("--kimg", type=float, default=20, help="length of the run")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    # Of threads the last bits depend.
    os.environ["OMP_NUM_THREADS"] = "1"
    length = ["--kimg", str(arguments.kimg)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, killed = folder / "whole", folder / "killed"
        subprocess.run(
            adavit("train", *RUN, *length, "--out", str(whole)),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        command = adavit("train", *RUN, *length, "--out", str(killed))
        kills = 0
        while kills < arguments.kills:
            after = moments.uniform(1, arguments.longest)
            processes = moments.choice(arguments.processes)
            ended = end_after(command, after, processes, moments, arguments.signals)
            if ended == "had finished":
                sys.exit(f"the run was over after {kills} kills: give it more --kimg")
            counts = ended.startswith("rank") or max(arguments.processes) == 1
            kills += counts
            number = f"kill {kills:2d}" if counts else "       "
            print(f"{number} after {after:5.1f} s: {ended}; {reached(killed)}", flush=True)
            if (killed / "config.yaml").exists():
                command = adavit("train", "--resume", str(killed))
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        differences = compare(whole, killed)
    print("the same bits" if not differences else "DIFFERENT: " + ", ".join(differences))
    sys.exit(bool(differences))


def adavit(*arguments: str) -> list[str]:
    """The command line, with this interpreter."""
    return [sys.executable, "-m", "adavit", *arguments]


def end_after(
    command: list[str],
    seconds: float,
    processes: int,
    moments: random.Random,
    signals: list[signal.Signals],
) -> str:
    """Starts a command, kills it or ends one of its processes, and says whom."""
    if processes > 1:
        command = [*command, "--processes", str(processes)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            whom = "one process"
            if processes > 1:
                whom = end_one_of(process, processes, moments, moments.choice(signals))
            process.kill()
            process.wait()
            return whom
        if code:
            sys.exit(f"the run failed with code {code}")
        return "had finished"


def reached(run: Path) -> str:
    """How far a run has come."""
    checkpoint = run / "checkpoint.pt"
    if not checkpoint.exists():
        return "before the first checkpoint"
    images = torch.load(checkpoint, weights_only=True)["progress"]["images"]
    return f"checkpoint at {images} images"


def end_one_of(
    process: subprocess.Popen[str], processes: int, moments: random.Random, number: signal.Signals
) -> str:
    """Ends one of the processes that a command has started, and sees that the others end as they should."""
    children = children_of(process.pid)
    if len(children) < processes:
        return "before there were processes"
    ended, started = moments.choice(children), time.monotonic()
    os.kill(ended, number)
    code = process.wait(timeout=60)
    seconds = time.monotonic() - started
    assert process.stderr is not None
    lines = process.stderr.read().splitlines()
    if code != 1 or len(lines) != 1 or f"(process {ended}" not in lines[0]:
        sys.exit(f"process {ended} got {number.name}, but code {code} and {lines} came of it")
    rank = lines[0].partition(" (")[0].removeprefix("Error: ")
    return f"{rank} by {number.name} in {seconds:.1f} s"


def children_of(process: int) -> list[int]:
    """Numbers of its child processes; on Linux."""
    told = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(number) for number in told.split()]


def compare(first: Path, second: Path) -> list[str]:
    """Names of what differs between two finished runs."""
    states = [torch.load(run / "checkpoint.pt", weights_only=True) for run in (first, second)]
    different = []
    for key in (
        "generator",
        "discriminator",
        "average",
        "generator_optimizer",
        "discriminator_optimizer",
        "probability",
    ):
        tensors = [list(leaves(state[key])) for state in states]
        if len(tensors[0]) != len(tensors[1]) or not all(map(torch.equal, *tensors)):
            different.append(key)
    for log in ("stats.jsonl", "metrics.jsonl"):
        if str(untimed(first / log)) != str(untimed(second / log)):  # in which NaN is NaN
            different.append(log)
    grids = [
        {grid.name: grid.read_bytes() for grid in (run / "samples").glob("*.png")}
        for run in (first, second)
    ]
    if not grids[0] or grids[0] != grids[1]:
        different.append("samples")
    return different


def leaves(value: Any) -> Any:
    """All tensors and numbers of nested containers, as tensors."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, int | float):
        yield torch.tensor(value)


def untimed(log: Path) -> list[dict[str, Any]]:
    """Records without their timings."""
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return [
        {key: value for key, value in record.items() if key not in TIMINGS} for record in records
    ]


if __name__ == "__main__":
    main()
