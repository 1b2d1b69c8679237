"""Kills a run with SIGKILL at random moments, resumes it each time, and compares its end with a run never killed.

    python benchmarks/kill_and_resume.py --kills 20
    python benchmarks/kill_and_resume.py --kills 20 --processes 1,2,4

With several numbers of processes each session has one of them, drawn, and one process of it, drawn too, is killed: the
others must end by themselves within a minute, with code 1 and one line that names it.

Prints where each kill fell and, at the end, whether every tensor of the two checkpoints and every line of the two
logs (but for timings) are the same. Exits with 1 if they are not.
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
        for kill in range(arguments.kills):
            after = moments.uniform(1, arguments.longest)
            processes = moments.choice(arguments.processes)
            came = kill_after(command, after, killed, processes, moments)
            print(f"kill {kill + 1:2d} after {after:5.1f} s: {came}", flush=True)
            if (killed / "config.yaml").exists():
                command = adavit("train", "--resume", str(killed))
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        differences = compare(whole, killed)
    print("the same bits" if not differences else "DIFFERENT: " + ", ".join(differences))
    sys.exit(bool(differences))


def adavit(*arguments: str) -> list[str]:
    """The command line, with this interpreter."""
    return [sys.executable, "-m", "adavit", *arguments]


def kill_after(
    command: list[str], seconds: float, run: Path, processes: int, moments: random.Random
) -> str:
    """Starts a command, kills it or one of its processes, and says how far it had come."""
    if processes > 1:
        command = [*command, "--processes", str(processes)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            whom = "" if processes == 1 else f"{kill_one_of(process, processes, moments)}; "
            process.kill()
            process.wait()
        else:
            if code:
                sys.exit(f"the run failed with code {code}")
            return "had finished"
    checkpoint = run / "checkpoint.pt"
    if not checkpoint.exists():
        return f"{whom}before the first checkpoint"
    images = torch.load(checkpoint, weights_only=True)["progress"]["images"]
    return f"{whom}checkpoint at {images} images"


def kill_one_of(process: subprocess.Popen[str], processes: int, moments: random.Random) -> str:
    """Kills one of the processes that a command has started, and sees that the others end as they should."""
    children = children_of(process.pid)
    if len(children) < processes:
        return "before there were processes"
    killed, started = moments.choice(children), time.monotonic()
    os.kill(killed, signal.SIGKILL)
    code = process.wait(timeout=60)
    seconds = time.monotonic() - started
    assert process.stderr is not None
    lines = process.stderr.read().splitlines()
    if code != 1 or len(lines) != 1 or f"(process {killed}" not in lines[0]:
        sys.exit(f"process {killed} was killed, but code {code} and {lines} came of it")
    return f"{lines[0].partition(' (')[0].removeprefix('Error: ')} in {seconds:.1f} s"


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
