"""What the processes that tests start do: `python queue_processes.py FUNCTION ARGUMENTS-AS-JSON`."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna

from adavit.experiments.database import open_storage, sqlite_url
from adavit.experiments.patience import Patience
from adavit.experiments.queue import Queue


def open_queue(
    folder: Path,
    storage: str | None = None,
    *,
    study: str = "jobs",
    heartbeat_s: float = 1,
    grace_s: float = 2,
) -> Queue:
    """A queue whose dead are missed after two seconds."""
    url = storage or sqlite_url(folder / "queue.sqlite3")
    opened = open_storage(url, Patience(30, url))
    made = optuna.create_study(storage=opened, study_name=study, load_if_exists=True)
    return Queue(opened, made, heartbeat_s=heartbeat_s, grace_s=grace_s)


def start(function: Any, *arguments: Any, output: int | None = None) -> "subprocess.Popen[bytes]":
    """Calls a function of this file in a process of its own; `output` is its stdout.

    Not by multiprocessing: the name of this module means nothing outside of pytest.
    """
    root = str(Path(__file__).parents[3])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, __file__, function.__name__, json.dumps(arguments, default=str)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=output)


def take_all(folder: str, jobs: list[str], storage: str | None = None) -> None:
    """Takes jobs until none is left, and leaves a line for each at its beginning and its end."""
    queue = open_queue(Path(folder), storage)
    while len(queue.outcomes(jobs)) < len(jobs):
        claim = queue.claim(jobs)
        if claim is None:
            time.sleep(0.02)
            continue
        with (Path(folder) / f"{claim.job}.log").open("a") as log:
            print("begin", os.getpid(), file=log, flush=True)
            time.sleep(0.01)
            print("end", os.getpid(), file=log, flush=True)
        queue.finish(claim, 1.0)


def take_one_and_die(folder: str, jobs: list[str], storage: str | None = None) -> None:
    """Takes a job and is killed, as by the system."""
    assert open_queue(Path(folder), storage).claim(jobs) is not None
    os.kill(os.getpid(), signal.SIGKILL)


def run_grid(grid: str, folder: str, storage: str | None = None, die_at: int | None = None) -> None:
    """Works on a grid; with `die_at` it is killed once a run has seen so many images."""
    # Here, so that the processes that need no torch start in a second.
    from adavit.experiments.ablation import AblationPlan
    from adavit.experiments.cell import cells_of
    from adavit.experiments.grid_file import read_grid
    from adavit.experiments.worker_pool import WorkerPool
    from adavit.runtime.console import LineConsole
    from adavit.training import run_output

    run_output.draw_curves = run_output.draw_film = lambda *_: None  # as in the tests' own process

    class DyingConsole(LineConsole):
        def status(self, status: object) -> None:
            if die_at is not None and getattr(status, "images", 0) >= die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    read = read_grid(grid)
    cells = cells_of(read)
    plan = AblationPlan(read.name, {cell.digest: cell for cell in cells})
    WorkerPool(Path(folder), storage, heartbeat_s=1, grace_s=2).run(plan, DyingConsole())


def run_grid_under_kills(grid: str, folder: str, kills: int, seed: int) -> None:
    """Starts a grid again and again; each time it is killed right before a file operation drawn at random.

    In forks, so that torch is imported once. Prints how many kills there were.
    """
    from adavit.experiments.ablation import ablate

    random_stream, killed = random.Random(seed), 0
    while killed < kills:
        left = [random_stream.randint(1, 250)]
        child = os.fork()
        if not child:

            def count(event: str, arguments: object, left: list[int] = left) -> None:
                if event in ("open", "os.mkdir", "os.rename", "os.remove", "sqlite3.connect"):
                    left[0] -= 1
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            ablate(grid, out=Path(folder))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        killed += 1
    print(killed)


def logs(folder: Path) -> dict[str, list[str]]:
    """What `take_all` has left, by job."""
    return {path.stem: path.read_text().split() for path in sorted(folder.glob("*.log"))}


def untimed(path: Path) -> list[dict[str, Any]]:
    """Records of a run's two logs without their timings."""
    lines = [
        line
        for name in ("stats.jsonl", "metrics.jsonl")
        for line in (path / name).read_text().splitlines()
    ]
    timings = ("seconds", "images_per_s")
    return [{k: v for k, v in json.loads(line).items() if k not in timings} for line in lines]


def notes(folder: Path) -> dict[str, dict[str, Any]]:
    """`cell.json` of each cell, by label."""
    found = [json.loads(path.read_text()) for path in folder.glob("*/cell.json")]
    return {note["label"]: note for note in found}


if __name__ == "__main__":
    globals()[sys.argv[1]](*json.loads(sys.argv[2]))
