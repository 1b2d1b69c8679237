"""Time and memory of steps, of the pipe, of compiled steps, and of what evaluates them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import torch

from adavit.augment import make_pipe
from adavit.build.networks import build_networks
from adavit.generation.sampling import generated_batches
from adavit.metrics.extractors.extractor import FeatureExtractor
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.runtime.determinism import in_fixed_order
from adavit.training.start.footprint import counted_bytes, expected_bytes, least_bytes
from benchmarks.gpu.bench import KINDS, Bench, Stepper, images
from benchmarks.gpu.equality import relative
from benchmarks.gpu.findings import Findings
from benchmarks.work import WorkCount

GIB = 2**30
COMPILING_SECONDS = 30.0
"""After these no further network is compiled."""
WAYS: dict[str, dict[str, bool]] = {
    "eager": {"graphs": False},
    "graphs": {},
    "compiled": {"compile": True},
}
"""In which a step is computed; the second is the first where there are no CUDA graphs."""


def step(bench: Bench, found: Findings) -> None:
    """Full-size steps by network, size and precision, on random images, with bgc at p = 0.4."""
    bench.has_cuda(found, for_what="graphs, so both times are kernel by kernel; peak memory")
    smallest = bench.sizes[0]
    taken: dict[tuple[int, str, str], float] = {}
    for side, batch, kind, precision in _cases(bench):
        with found.attempt(f"{kind} at {side} px in {precision}"):
            taken[side, kind, precision] = _step_row(bench, found, kind, side, batch, precision)
    for kind in KINDS:
        both = [taken.get((smallest[0], kind, precision)) for precision in ("float32", "bf16")]
        if None not in both:
            name = f"{kind} at {smallest[0]} px: time in float32 over that in bf16"
            found.fact(name, both[0] / both[1])  # type: ignore[operator]


def _cases(bench: Bench) -> list[tuple[int, int, str, str]]:
    """Side, batch, network and precision."""
    return [
        (*size, kind, precision)
        for precision in ("bf16", "float32")
        for size in bench.sizes
        for kind in KINDS
    ]


def _step_row(
    bench: Bench, found: Findings, kind: str, side: int, batch: int, precision: str
) -> float:
    """Seconds of a step in the mean of a run."""
    training = {"batch": batch, "precision": precision}
    config = bench.config(kind, side, {"training": training})
    with bench.peak_bytes() as peak:
        stepper = Stepper(bench.step(config), config, bench.device)
        plain = bench.seconds_each(stepper.plain)
        memory = {"plain GiB": _gib(peak())}
        penalised = bench.seconds_each(stepper.penalised)
        memory["with R1 GiB"] = _gib(peak())
    mean = (plain * (stepper.interval - 1) + penalised) / stepper.interval
    config = bench.config(kind, side, {"training": {**training, "graphs": False}})
    written = Stepper(bench.step(config), config, bench.device)
    by_kernel = bench.seconds_each(written.plain, seconds=0.5)
    with WorkCount() as work:
        written.plain()
    found.row(
        "a step",
        network=kind,
        px=side,
        batch=batch,
        precision=precision,
        **{"plain ms": plain * 1e3, "with R1 ms": penalised * 1e3},
        **{"plain, kernel by kernel, ms": by_kernel * 1e3},
        **{"R1 every": stepper.interval, "images/s": batch / mean, "s/kimg": 1000 * mean / batch},
        **memory,
        operations=work.operations,
        TFLOP=work.flops / 1e12,
        **{"GB named": work.bytes / 1e9, "TFLOP/s": work.flops / plain / 1e12},
        **{"GB named/s": work.bytes / plain / 1e9},
    )
    return mean


def _gib(peak: tuple[int, int] | None) -> float | str:
    return "" if peak is None else peak[0] / GIB


def ordered(bench: Bench, found: Findings) -> None:
    """What `--deterministic` costs: the same steps with every sum in a fixed order, and as fast as can be.

    At the smallest and the largest size.
    """
    bench.has_cuda(found, for_what="sums in no fixed order, so both times are ordered")
    cases = [(*size, kind) for size in (bench.sizes[0], bench.sizes[-1]) for kind in KINDS]
    taken: dict[tuple[bool, int, str], float] = {}
    for wanted in (True, False):  # cuBLAS chooses its workspaces once, at the first operation
        with in_fixed_order(wanted):
            for side, batch, kind in cases:
                with found.attempt(f"{kind} at {side} px, in a fixed order: {wanted}"):
                    config = bench.config(kind, side, {"training": {"batch": batch}})
                    stepper = Stepper(bench.step(config), config, bench.device)
                    taken[wanted, side, kind] = bench.seconds_each(stepper.plain, seconds=0.5)
                    del stepper
    for side, batch, kind in cases:
        both = [taken[key] for wanted in (True, False) if (key := (wanted, side, kind)) in taken]
        if len(both) == 2:
            ms = {"ordered ms": 1e3 * both[0], "unordered ms": 1e3 * both[1]}
            found.row("--deterministic", network=kind, px=side, batch=batch, **ms)


def eager_and_compiled(bench: Bench, found: Findings) -> None:
    """The same steps kernel by kernel, as CUDA graphs and compiled: seconds until they are so, time, losses."""
    side, batch = bench.sizes[0]
    bench.has_cuda(found, for_what="graphs, so those steps are kernel by kernel too")
    if bench.toy:
        found.fact("of toy size", "one network, of which the compiler writes no code (aot_eager)")
        with found.attempt("resnet in float32"), _traced_only():
            _compiled_row(bench, found, "resnet", side, batch, "float32")
        return
    started = time.monotonic()
    for precision in ("bf16", "float32"):
        for kind in KINDS:
            if time.monotonic() - started > COMPILING_SECONDS:
                found.fact(f"{kind} in {precision}", "left out: the others took their time")
                continue
            with found.attempt(f"{kind} in {precision}"):
                _compiled_row(bench, found, kind, side, batch, precision)


@contextmanager
def _traced_only() -> Iterator[None]:
    """While entered, graphs go through torch.compile, which takes minutes to write code, without being written."""
    compiled = torch.compile

    def traced(graph: Any, *, options: Any, **how: Any) -> Any:
        return compiled(graph, backend="aot_eager", **how)

    with patch.object(torch, "compile", traced):
        yield


def _compiled_row(
    bench: Bench, found: Findings, kind: str, side: int, batch: int, precision: str
) -> None:
    times: dict[str, float] = {}
    losses: dict[str, list[dict[str, float]]] = {}
    torch.compiler.reset()
    for word, way in WAYS.items():
        training = {"batch": batch, "precision": precision, **way}
        config = bench.config(kind, side, {"training": training})
        stepper = Stepper(bench.step(config), config, bench.device)
        started = time.perf_counter()
        results = [stepper.penalised(), stepper.plain(), stepper.penalised()]
        losses[word] = [{k: float(v) for k, v in r.losses.items()} for r in results]
        times[f"{word}: first three steps s"] = time.perf_counter() - started
        times[f"{word} plain ms"] = 1e3 * bench.seconds_each(stepper.plain, seconds=0.5)
        times[f"{word} with R1 ms"] = 1e3 * bench.seconds_each(stepper.penalised, seconds=0.5)
        del stepper
    pairs = [pair for way in WAYS for pair in zip(losses["eager"], losses[way], strict=True)]
    differences = [relative(a[name], b[name]) for a, b in pairs for name in a]
    found.row(
        "eager and compiled",
        network=kind,
        px=side,
        batch=batch,
        precision=precision,
        **times,
        **{"losses of 3 steps differ by": max(differences)},
    )


def augment(bench: Bench, found: Findings) -> None:
    """The pipe bgc at p = 0.6, forward and with its backward pass."""
    bench.has_cuda(found, for_what="peak memory")
    pipe = make_pipe("bgc").to(bench.device)
    pipe.p.fill_(0.6)
    batch = 4 if bench.toy else 64
    for side, _ in bench.sizes:
        with found.attempt(f"{side} px"), bench.peak_bytes() as peak:
            shown = images(batch, side, bench.device)
            upstream = torch.ones_like(shown)

            def forward(shown: torch.Tensor = shown) -> None:
                with torch.no_grad():
                    pipe(shown)

            def backward(shown: torch.Tensor = shown, upstream: torch.Tensor = upstream) -> None:
                leaf = shown.detach().requires_grad_()
                torch.autograd.grad(pipe(leaf), leaf, upstream)

            one, both = (bench.seconds_each(work, seconds=0.5) for work in (forward, backward))
            found.row(
                "pipe bgc, p = 0.6",
                px=side,
                batch=batch,
                **{"forward ms": one * 1e3, "and backward ms": both * 1e3},
                **{"images/s forward": batch / one, "images/s and backward": batch / both},
                **{"peak GiB": _gib(peak())},
            )


def memory(bench: Bench, found: Findings) -> None:
    """What is foreseen of a step in which all is due, against what it takes."""
    bench.has_cuda(found, for_what="what it takes")
    # To foresee takes a CPU seconds, however small the networks are.
    for side, batch, kind, precision in _cases(bench)[: len(KINDS) if bench.toy else None]:
        with found.attempt(f"{kind} at {side} px in {precision}"):
            _memory_row(bench, found, kind, side, batch, precision)


def _memory_row(
    bench: Bench, found: Findings, kind: str, side: int, batch: int, precision: str
) -> None:
    training = {"batch": batch, "precision": precision}
    config = bench.config(kind, side, {"training": training})
    foreseen = {
        "at least GiB": least_bytes(config) / GIB,
        "counted GiB": counted_bytes(config, bench.device) / GIB,
        "expected GiB": expected_bytes(config, bench.device) / GIB,
    }
    with bench.peak_bytes() as peak:
        stepper = Stepper(bench.step(config), config, bench.device)
        for _ in range(2):  # the first makes Adam's moments
            stepper.penalised()
        bench.synchronise()
        measured = peak()
    cells: dict[str, Any] = dict(foreseen)
    if measured is not None:
        cells["measured GiB"], cells["reserved GiB"] = (count / GIB for count in measured)
        cells["expected / measured"] = foreseen["expected GiB"] / cells["measured GiB"]
    found.row("memory of a step", network=kind, px=side, batch=batch, precision=precision, **cells)


def evaluate(bench: Bench, found: Findings) -> None:
    """Images/s of generators in evaluation, and of extractors of features."""
    bench.has_cuda(found, for_what="peak memory")
    count = 64 if bench.toy else 2048
    for side, _ in bench.sizes:
        with found.attempt(f"generation at {side} px"), bench.peak_bytes() as peak:
            config = bench.config("resnet", side)
            generator = build_networks(config, image_channels=3, num_classes=0)[0]
            placed: dict[str, Any] = {"device": bench.device, "memory_format": torch.channels_last}
            generator = generator.to(**placed).eval()

            def draw(generator: Any = generator) -> None:
                for _ in generated_batches(generator, count, seed=0):
                    pass

            draw_seconds = _timed(bench, draw)
            found.row(
                "generation, float32",
                px=side,
                **{"images/s": count / draw_seconds, "peak GiB": _gib(peak())},
            )
    with found.attempt("random features"):
        _extractor_rows(bench, found, RandomFeatures(bench.device))
    with found.attempt("Inception, random weights"):
        _extractor_rows(bench, found, _unread_inception(bench.device))


def _timed(bench: Bench, work: Any) -> float:
    """Seconds of one call, after one that warms up."""
    work()
    bench.synchronise()
    started = time.perf_counter()
    work()
    bench.synchronise()
    return time.perf_counter() - started


def _extractor_rows(bench: Bench, found: Findings, extractor: FeatureExtractor) -> None:
    for side, _ in bench.sizes:
        with found.attempt(f"{extractor.name} at {side} px"):
            size = 2 if bench.toy else extractor.batch
            shown = (images(size, side, bench.device) * 127.5 + 127.5).to(torch.uint8)
            seconds = bench.seconds_each(partial(extractor, shown), seconds=0.5)
            found.row(
                "extractors",
                **{"extractor": extractor.name, "px": side, "batch": size},
                **{"images/s": size / seconds},
            )


def _unread_inception(device: torch.device) -> FeatureExtractor:
    """Inception with random weights, for its speed."""
    from adavit.metrics.extractors.inception import InceptionFeatures, expected_state

    state = {
        name: torch.ones(meta.shape, dtype=meta.dtype)
        if "running_var" in name or not meta.is_floating_point()
        else torch.randn(meta.shape) * 0.02
        for name, meta in expected_state().items()
    }
    return InceptionFeatures(state, "0" * 64, device)
