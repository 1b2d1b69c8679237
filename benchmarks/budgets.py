"""Budgets of time that are asked for against the time that is taken, for a quiet machine.

    python benchmarks/budgets.py                 # ten budgets from 60 s to 10 min, both discriminators: an hour
    python benchmarks/budgets.py 60s 90s --discriminators resnet --out /tmp/some.md

Each run is the command itself, timed from outside, with the start of Python and the end of the process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from adavit.runtime.time_spans import seconds_in

BUDGETS = {
    "resnet": ["60s", "90s", "2m", "4m", "10m"],
    "vit": ["60s", "90s", "3m", "5m", "10m"],
}
RESULTS = Path(__file__).parent / "results" / "budgets.md"


def measured(budget: str, discriminator: str, data: str, folder: Path) -> str:
    """A row of the table."""
    run = folder / f"{discriminator}-{budget}"
    command = ["train", "--data", data, "--budget", budget, "--discriminator", discriminator]
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "adavit", *command, "--out", str(run)],
        capture_output=True,
        text=True,
        check=False,
    )
    taken, asked = time.monotonic() - started, seconds_in(budget)
    if ended.returncode:
        print(ended.stderr, file=sys.stderr)
        return (
            f"| {discriminator} | {budget} | {taken:.1f} s | {taken / asked:.1%} | failed | | | |"
        )
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    costs = json.loads((run / "budget.json").read_text(encoding="utf-8"))["measured"]
    last = json.loads((run / "stats.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    metrics = run / "metrics.jsonl"
    evaluations = len(metrics.read_text(encoding="utf-8").splitlines()) if metrics.is_file() else 0
    foreseen = config["training"]["batch"] / costs["step_s"]
    found = last["images"] / last["seconds"]
    length = f"{last['images'] / 1000:g} of {config['training']['total_kimg']:g}"
    return (
        f"| {discriminator} | {budget} | {taken:.1f} s | {taken / asked:.1%} | {length} | {evaluations} of"
        f" {config['metrics']['fakes']:,} | {foreseen:.0f} | {found:.0f} |"
    )


def main() -> None:
    """Runs all of them, one after the other, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("budgets", nargs="*", help="In place of the ten.")
    parser.add_argument("--discriminators", default="resnet,vit")
    parser.add_argument("--data", default="small_set")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS", "as many as cores")
    lines = [
        "# Budgets of time: asked against taken",
        "",
        f"`adavit train --data {asked.data} --budget ...` from the command line to the end of its process;"
        f" `python benchmarks/budgets.py`, {os.cpu_count()} cores, OMP_NUM_THREADS: {threads}; load when it began:"
        f" {os.getloadavg()[0]:.1f}. Images per second are those measured before the first step, and those of the run.",
        "",
        "| discriminator | asked | taken | | kimg | evaluations | images/s foreseen | found |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="adavit-") as folder:
        for discriminator in asked.discriminators.split(","):
            for budget in asked.budgets or BUDGETS[discriminator]:
                lines.append(measured(budget, discriminator, asked.data, Path(folder)))
                print(lines[-1], flush=True)
                asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
