"""Whole programs on the device: the tests that need one, runs with pictures, and two processes with nccl."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as processes

from benchmarks.gpu.bench import Bench, environment_of
from benchmarks.gpu.findings import Findings

ROOT = Path(__file__).resolve().parents[2]
TRAINING_SECONDS = 45.0
MARGIN_SECONDS = 6.0
LINES = 30


def tests(bench: Bench, found: Findings) -> None:
    """The tests marked `gpu`: how many passed, and the last lines of those that did not."""
    marked = "gpu" if bench.device.type == "cuda" else "gpu and not gpu"
    command = [sys.executable, "-m", "pytest", "-n", "0", "-m", marked, "-q", "-rfE", "--tb=short"]
    command += ["-p", "no:cacheprovider", "--continue-on-collection-errors", "tests"]
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "output.txt"
        with output.open("wb") as stream:
            try:
                ended: int | None = subprocess.run(
                    command,
                    cwd=ROOT,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    timeout=max(1.0, bench.seconds_left - MARGIN_SECONDS),
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                ended = None
        text = output.read_text(encoding="utf-8", errors="replace")
    print(text)
    found.fact("exit status of pytest", "ended for lack of time" if ended is None else ended)
    for count, word in re.findall(r"(\d+) (passed|failed|errors?|skipped|deselected)\b", text):
        found.fact(f"tests {word}", int(count))
    for line in [line for line in text.splitlines() if line.startswith(("FAILED", "ERROR"))]:
        found.row("tests that did not pass", test=line)
    if ended not in (0, 5):
        found.fact("last lines", " / ".join(text.splitlines()[-LINES:]))


def train32(bench: Bench, found: Findings) -> None:
    """A run with the defaults on the drawn set as it is."""
    _train(bench, found, "train32", 32)


def train128(bench: Bench, found: Findings) -> None:
    """A run on the drawn set at four times its size."""
    _train(bench, found, "train128", 128)


def _train(bench: Bench, found: Findings, name: str, side: int) -> None:
    """Trains until the time is over, ends the run as Ctrl-C does, and keeps its last samples."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [
            sys.executable,
            "-m",
            "adavit",
            "train",
            "--data",
            "small_set",
            "--metrics",
            "none",
        ]
        command += ["--resolution", str(side), "--out", str(run), "--device", bench.device.type]
        command += ["--set", f"run.samples_every_kimg={0.064 if bench.toy else 4}"]
        command += ["--set", f"run.status_every_kimg={0.064 if bench.toy else 1}"]
        if bench.toy:
            command += ["--preset", "smoke", "--kimg", "0.256"]
        log = Path(folder) / "log.txt"
        budget = min(TRAINING_SECONDS, bench.seconds_left - 4 * MARGIN_SECONDS)
        with log.open("wb") as stream:
            started = time.monotonic()
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment_of(Path(folder) / "cache"),
                stdout=stream,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
            ended = _ended(process, budget)
        found.fact("seconds", round(time.monotonic() - started, 1))
        found.fact("exit status", ended)
        text = log.read_text(encoding="utf-8", errors="replace")
        print(text)
        for line in [line for line in text.splitlines() if "images/s" in line][-5:]:
            found.row("its last lines", line=line.strip())
        sheets = sorted((run / "samples").glob("*kimg.png"))
        if sheets:
            shutil.copyfile(sheets[-1], bench.out / f"{name}.png")
            found.fact("samples", f"{name}.png, {sheets[-1].stem}")
        stats = run / "stats.jsonl"
        if stats.is_file():
            found.fact("last statistics", stats.read_text("utf-8").splitlines()[-1])
        if ended not in (0, 128 + signal.SIGINT, -signal.SIGINT):
            found.fact("last words", " / ".join(text.splitlines()[-LINES:]))
            raise RuntimeError(f"the run ended with {ended}")


def _ended(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit status of a run that is asked to end after some seconds, and made to a while later."""
    try:
        return process.wait(max(1.0, seconds))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(3 * MARGIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def nccl(bench: Bench, found: Findings) -> None:
    """Two processes that add up what stands for the gradients of a step."""
    cuda = bench.device.type == "cuda"
    if cuda and torch.cuda.device_count() < 2:
        found.fact("left out", "one device")
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rate"
        count = 2**16 if bench.toy else 2**26
        processes.spawn(_rank, (port, "nccl" if cuda else "gloo", count, str(path)), nprocs=2)
        seconds, error = (float(word) for word in path.read_text("utf-8").split())
    found.fact("numbers added up", count)
    found.fact("ms", seconds * 1e3)
    found.fact("GB/s of float32", 4 * count / seconds / 1e9)
    found.fact("largest error of the sum", error)


def _rank(rank: int, port: int, backend: str, count: int, path: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    device = torch.device("cuda", rank) if backend == "nccl" else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(backend, rank=rank, world_size=2)
    total = torch.full((count,), float(rank + 1), device=device)
    dist.all_reduce(total)
    error = float((total - 3.0).abs().max())
    started = time.perf_counter()
    for _ in range(10):
        dist.all_reduce(total)
    float(total[0])  # waits for the device
    seconds = (time.perf_counter() - started) / 10
    if rank == 0:
        Path(path).write_text(f"{seconds} {error}", encoding="utf-8")
    dist.destroy_process_group()
