"""Whole programs on the device: the tests that need one, runs with pictures, and two processes."""

import json
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
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from torch import Tensor

from adavit.runs.checkpoint import load_checkpoint
from benchmarks.gpu.bench import Bench, environment_of
from benchmarks.gpu.equality import relative
from benchmarks.gpu.findings import Findings

ROOT = Path(__file__).resolve().parents[2]
MARGIN_SECONDS = 6.0
LINES = 30
LOSSES = ("loss_", "r1")
"""How the names of losses in `stats.jsonl` begin."""
APART = 1e-6
"""Relative difference of losses and weights between one process and two that sum in another order."""
PYTEST = (
    "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " sys.exit(pytest.main(sys.argv[1:]))"
)
"""What a shell starts in the background ignores SIGINT, and so do its children, unless they say otherwise."""
MARKED = ("tests/gpu", "tests/augment/test_compilation.py", "tests/adavit/data/test_sampling.py")
"""Where tests marked `gpu` are: to look through all takes half a minute."""
MARKED_TOY = ("tests/gpu/test_streams.py",)


def tests(bench: Bench, found: Findings) -> None:
    """The tests marked `gpu`: how many passed, and the last lines of those that did not."""
    command = [sys.executable, "-c", PYTEST, "-n", "0", "-m", "gpu", "-q", "-rfE", "--tb=short"]
    command += ["-p", "no:cacheprovider", "--continue-on-collection-errors"]
    command += MARKED_TOY if bench.toy else MARKED
    bench.has_cuda(found, for_what="the tests on a GPU, which try themselves on the CPU here")
    with tempfile.TemporaryDirectory() as name:
        given = {**os.environ, "ADAVIT_TEST_DEVICE": bench.device.type}
        # An interrupted pytest says what it has seen.
        ended, text = _program(command, bench.seconds_left - 2 * MARGIN_SECONDS, Path(name), given)
    print(text)
    in_time = "KeyboardInterrupt" not in text and ended is not None
    found.fact("exit status of pytest", ended if in_time else "ended for lack of time")
    for count, word in re.findall(r"(\d+) (passed|failed|errors?|skipped|deselected)\b", text):
        found.fact(f"tests {word}", int(count))
    for line in [line for line in text.splitlines() if line.startswith(("FAILED", "ERROR"))]:
        found.row("tests that did not pass", test=line)
    if in_time and ended != 0:
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
        command = _train_command(run, bench.device.type, side=side // 4 if bench.toy else side)
        command += ["--set", f"run.samples_every_kimg={0.032 if bench.toy else 4}"]
        command += ["--set", f"run.status_every_kimg={0.032 if bench.toy else 1}"]
        if bench.toy:
            command += ["--preset", "smoke", "--kimg", "0.064"]
        seconds = min(bench.aim - MARGIN_SECONDS, bench.seconds_left - 4 * MARGIN_SECONDS)
        started = time.monotonic()
        ended, text = _program(
            command,
            seconds,
            Path(folder),
            environment_of(Path(folder) / "cache"),
            3 * MARGIN_SECONDS,
        )
        found.fact("seconds", round(time.monotonic() - started, 1))
        found.fact("exit status", ended)
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


def _train_command(run: Path, device: str, *, side: int) -> list[str]:
    """Trains on the drawn set without evaluations."""
    command = [sys.executable, "-m", "adavit", "train", "--data", "small_set", "--metrics", "none"]
    return [*command, "--resolution", str(side), "--out", str(run), "--device", device]


def _program(
    command: list[str],
    seconds: float,
    folder: Path,
    environment: dict[str, str],
    patience: float = MARGIN_SECONDS,
) -> tuple[int | None, str]:
    """The exit status of a program that is ended after some seconds, and what it has printed; see `_ended`."""
    log = folder / "log.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        ended = _ended(process, seconds, patience)
    return ended, log.read_text(encoding="utf-8", errors="replace")


def _ended(
    process: subprocess.Popen[bytes], seconds: float, patience: float = MARGIN_SECONDS
) -> int | None:
    """The exit status of a program that is asked to end after some seconds; None where it is made to a while later."""
    try:
        return process.wait(max(1.0, seconds))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def nccl(bench: Bench, found: Findings) -> None:
    """Two processes: how fast they add up what stands for gradients, and a run of theirs against that of one."""
    cuda = bench.has_cuda(found, for_what="nccl; two processes of the CPU talk over gloo")
    if cuda and torch.cuda.device_count() < 2:
        found.fact("left out", "two processes, as there is one CUDA device")
        return
    with found.attempt("the sum of two processes"):
        _add_up(bench, found)
    with found.attempt("a run of two processes"), tempfile.TemporaryDirectory() as folder:
        alone, shared = Path(folder) / "alone", Path(folder) / "shared"
        _train_toy(bench, found, alone)
        _train_toy(bench, found, shared, "--processes", "2", "--fast-reduce")
        compare_runs(alone, shared, found)


def _train_toy(bench: Bench, found: Findings, run: Path, *flags: str) -> None:
    """A few steps of small networks, whose gradients are sums over eight slices."""
    command = _train_command(run, bench.device.type, side=16)
    command += [
        "--preset",
        "smoke",
        "--kimg",
        "0.064",
        "--microbatch",
        "2",
        "--precision",
        "float32",
    ]
    command += ["--set", "run.status_every_kimg=0.016", "--set", "run.samples_every_kimg=1", *flags]
    environment = environment_of(run.parent / "cache")
    started = time.monotonic()
    ended, text = _program(
        command, bench.seconds_left - 2 * MARGIN_SECONDS, run.parent, environment
    )
    print(text)
    found.fact(f"seconds of the run {run.name}", round(time.monotonic() - started, 1))
    if ended != 0:
        raise RuntimeError(f"the run ended with {ended}: {' / '.join(text.splitlines()[-LINES:])}")


def compare_runs(alone: Path, shared: Path, found: Findings) -> None:
    """Notes how far apart losses and weights of two runs are.

    Args:
        alone: Directory of the run of one process.
        shared: Of that of several, with the same settings.
        found: Takes it.

    Raises:
        ValueError: If it is more than `APART`, relative to the first.
    """
    losses, others = (_losses(run) for run in (alone, shared))
    pairs = [(a[name], b[name]) for a, b in zip(losses, others, strict=True) for name in a]
    apart = {"losses": max(relative(one, other) for one, other in pairs)}
    states = [load_checkpoint(run / "checkpoint.pt") for run in (alone, shared)]
    for network in ("generator", "discriminator"):
        one, other = (_in_a_row(state[network]) for state in states)
        apart[network] = float((one - other).norm() / one.norm())
    found.fact("steps", len(losses))
    for name, difference in apart.items():
        found.fact(f"{name}: relative difference to one process", difference)
    if not max(apart.values()) <= APART:
        raise ValueError(
            f"two processes train to {apart}, expected at most {APART:g} of difference"
        )


def _losses(run: Path) -> list[dict[str, float]]:
    lines = (run / "stats.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return [
        {name: r[name] for name in r if name.startswith(LOSSES) and r[name] is not None}
        for r in records
    ]


def _in_a_row(state: dict[str, Any]) -> Tensor:
    tensors = [each for each in state.values() if isinstance(each, Tensor)]
    return torch.cat([each.double().flatten() for each in tensors if each.is_floating_point()])


def _add_up(bench: Bench, found: Findings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend = "nccl" if bench.device.type == "cuda" else "gloo"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rate"
        count = 2**16 if bench.toy else 2**26
        way = "spawn" if backend == "nccl" else "fork"  # which CUDA does not take, and is quicker
        told = (port, backend, count, str(path))
        processes.start_processes(_rank, told, nprocs=2, start_method=way)
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
