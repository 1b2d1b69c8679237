"""Kernels of a step, how busy they keep the device, and where the host waits for it."""

import json
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.bench import KINDS, WARM_UP, Bench, Stepper
from benchmarks.gpu.findings import Findings

ROOT = Path(__file__).resolve().parents[2]
STEPS = 3
TOP = 15
ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
"""Categories of a trace's events that occupy the device."""
CALLS = ("cuda_runtime", "cuda_driver")
"""Those of the host's calls to it."""
WAITS = ("StreamSynchronize", "EventSynchronize")
"""Of the calls those that wait; that for the whole device is ours, at the end."""
SYNCHRONISING = "called a synchronizing"
"""Of torch's warning at an operation that waits."""


@dataclass(frozen=True)
class Trace:
    """What a profile says of some steps.

    Attributes:
        kernels: How many.
        copies: Of memory, by direction.
        busy_ms: Time in which the device did anything.
        calls: Of the host to the device, by name.
        top: Name, number and milliseconds of the kernels that take longest.
        operators: Calls of torch's operators, those inside others too.
        reads: Of a number of the device by the host.
    """

    kernels: int
    copies: dict[str, int]
    busy_ms: float
    calls: dict[str, int]
    top: list[tuple[str, int, float]]
    operators: int
    reads: int

    @classmethod
    def of(cls, events: Iterable[Mapping[str, Any]]) -> "Trace":
        """That of the events of a trace file, times in microseconds."""
        kernels: dict[str, list[float]] = defaultdict(list)
        copies: Counter[str] = Counter()
        calls: Counter[str] = Counter()
        spans: list[tuple[float, float]] = []
        operators = reads = 0
        for event in events:
            if event.get("ph") != "X":
                continue
            category, name = str(event.get("cat", "")).lower(), str(event.get("name", ""))
            start, length = float(event.get("ts", 0)), float(event.get("dur", 0))
            if category in ON_DEVICE:
                spans.append((start, start + length))
            if category == "kernel":
                kernels[name].append(length)
            elif category == "gpu_memcpy":
                copies[name] += 1
            elif category in CALLS:
                calls[name] += 1
            elif category == "cpu_op":
                operators += 1
                reads += name == "aten::_local_scalar_dense"
        longest = sorted(kernels, key=lambda name: -sum(kernels[name]))[:TOP]
        return cls(
            kernels=sum(len(lengths) for lengths in kernels.values()),
            copies=dict(copies.most_common()),
            busy_ms=covered(spans) / 1e3,
            calls=dict(calls.most_common()),
            top=[(name, len(kernels[name]), sum(kernels[name]) / 1e3) for name in longest],
            operators=operators,
            reads=reads,
        )


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of some intervals."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def launches(bench: Bench, found: Findings) -> None:
    """Kernels and busy share of steps at the smallest and the largest size, and waits at the smallest."""
    cuda = bench.has_cuda(found, for_what="kernels, copies, how busy they keep it, waits")
    for side, batch in (bench.sizes[0], bench.sizes[-1]):
        for kind in KINDS:
            with found.attempt(f"{kind} at {side} px"):
                # Kernel by kernel, so that lines have their operators and waits.
                training = {"batch": batch, "precision": "bf16", "graphs": False}
                config = bench.config(kind, side, {"training": training})
                stepper = Stepper(bench.step(config), config, bench.device)
                for name, work in (("plain", stepper.plain), ("with R1", stepper.penalised)):
                    label = f"{kind}, {side} px, batch {batch}, {name}"
                    with found.attempt(f"kernels of {label}"):
                        _kernels(bench, found, label, work)
                    if cuda and side == bench.sizes[0][0]:
                        with found.attempt(f"waits of {label}"):
                            _waits(bench, found, label, work)


def _kernels(bench: Bench, found: Findings, label: str, work: Callable[[], Any]) -> None:
    ms = 1e3 * bench.seconds_each(work, seconds=0.3)
    started = time.perf_counter()
    trace = traced(bench, work)
    found.row(
        "one step",
        step=label,
        kernels=trace.kernels / STEPS,
        **{"device busy ms": trace.busy_ms / STEPS, "takes ms": ms},
        **{"busy share": trace.busy_ms / STEPS / ms, "operators": trace.operators / STEPS},
        **{"reads by the host": trace.reads / STEPS},
        **{"waits": sum(n for name, n in trace.calls.items() if name.endswith(WAITS)) / STEPS},
        **{"profiled in s": time.perf_counter() - started},
    )
    for name, count in [*trace.copies.items(), *trace.calls.items()]:
        found.row(f"calls and copies of {label}", name=name, **{"per step": count / STEPS})
    for name, count, total in trace.top:
        found.row(
            f"longest kernels of {label}",
            **{"per step": count / STEPS, "ms per step": total / STEPS, "kernel": name[:120]},
        )


def traced(bench: Bench, work: Callable[[], Any]) -> Trace:
    """The profile of some steps, after one under the profiler, which warms it up."""
    activities = [ProfilerActivity.CPU]
    if bench.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities):
        work()
        bench.synchronise()
    with profile(activities=activities) as profiler:
        for _ in range(STEPS):
            work()
        bench.synchronise()  # one wait of our own
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "trace.json"
        profiler.export_chrome_trace(str(path))
        text = path.read_text(encoding="utf-8", errors="replace")
    return Trace.of(json.loads(text, strict=False)["traceEvents"])


def _waits(bench: Bench, found: Findings, label: str, work: Callable[[], Any]) -> None:
    """Where the host waits in a step, as torch's own check of synchronisation finds it."""
    for _ in range(WARM_UP):
        work()
    bench.synchronise()
    places: Counter[str] = Counter()

    def note(message: Any, *_: Any, **__: Any) -> None:
        if SYNCHRONISING in str(message):
            places[place_of(traceback.extract_stack()[:-1])] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            for _ in range(STEPS):
                work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    found.row("waits found by torch", step=label, **{"per step": sum(places.values()) / STEPS})
    for place, count in places.most_common(40):
        found.row(f"waits of {label}", **{"per step": count / STEPS}, place=place)


def place_of(stack: Iterable[traceback.FrameSummary]) -> str:
    """The innermost three lines of ours on a stack, outermost first, and what they call where that is another's."""
    frames = [frame for frame in stack if Path(frame.filename).name != "warnings.py"]
    ours = [frame for frame in frames if _is_ours(frame)]
    named = [f"{_short(f.filename)}:{f.lineno} {f.name}" for f in ours[-3:]]
    if ours and frames[-1] is not ours[-1]:
        named.append(f"({_short(frames[-1].filename)}:{frames[-1].lineno} {frames[-1].name})")
    return " > ".join(named) or "not in a line of ours"


def _is_ours(frame: traceback.FrameSummary) -> bool:
    path = Path(frame.filename).resolve()
    return path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "benchmarks/gpu")


def _short(filename: str) -> str:
    path = Path(filename).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else "/".join(path.parts[-3:])
