import importlib
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu_suite
from benchmarks.gpu import card, launches, programs, schedule
from benchmarks.gpu.bench import Bench, Stepper
from benchmarks.gpu.equality import DrawnOnCpu, equal, relative
from benchmarks.gpu.findings import Findings, as_markdown, read_findings
from benchmarks.gpu.launches import Trace, covered, place_of
from benchmarks.gpu.schedule import Part, Setting, Suite
from tests.checkpoints import save_checkpoint


@pytest.fixture(autouse=True)
def float32_as_before() -> Iterator[None]:
    """Parts of the suite choose between TF32 and whole float32 for their process, which is that of other tests here.

    Where cuDNN's convolutions differ from the rest of it torch.export fails.
    """
    kinds: tuple[Any, ...] = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [kind.fp32_precision for kind in kinds]
    yield
    for kind, value in zip(kinds, before, strict=True):
        kind.fp32_precision = value
    assert isinstance(torch.backends.cudnn.allow_tf32, bool)


ROOT = Path(__file__).resolve().parents[2]
PARTS = """
import os, signal, subprocess, sys, time

def fails(bench, found):
    found.fact("before", 1)
    with found.attempt("the first"):
        raise ValueError("of the first")
    raise RuntimeError("of the part")

def hangs(bench, found):
    found.row("kept", figure=2.5)
    subprocess.Popen([sys.executable, "-c", MARK])
    with found.attempt("the long one"):
        time.sleep(60)

def dies(bench, found):
    found.fact("before", 3)
    print("its last words")
    os._exit(7)

def stays(bench, found):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    found.row("kept", figure=2.5)
    # In a session of its own, with this process's output still in its hands.
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    while True:
        time.sleep(60)

def works(bench, found):
    found.fact("device", str(bench.device))
    found.fact("has time", bench.seconds_left > 0)
"""


TOLD: dict[str, tuple[dict[str, int], set[str]]] = {
    "environment": ({}, {"copy, TB/s read and written", "launch, microseconds"}),
    "equal": (
        {
            "largest relative difference to the CPU over 4 steps": 14,
            "weights after the steps": 2,
        },
        {"resnet: the same bits twice on the device"},
    ),
    "step": ({"a step": 8}, {"vit at 8 px: time in float32 over that in bf16"}),
    "launches": ({"one step": 8}, set()),
    "memory": ({"memory of a step": 2}, set()),
    "train32": ({"its last lines": 2}, {"seconds", "last statistics", "samples"}),
    "train128": ({"its last lines": 2}, {"seconds", "last statistics", "samples"}),
    "evaluate": ({"generation, float32": 2, "extractors": 4}, set()),
    "augment": ({"pipe bgc, p = 0.6": 2}, set()),
    "fir": ({"depthwise filter, bfloat16, ms": 24}, set()),
    "deterministic": ({"--deterministic": 4}, set()),
    "nccl": ({}, {"GB/s of float32", "losses: relative difference to one process"}),
    "compile": ({"eager and compiled": 1}, {"of toy size"}),
    "tests": ({}, {"tests passed"}),
}
"""Rows by table and some of the facts that parts leave on a CPU at toy size."""
ANYWHERE = {"equal", "fir", "train32", "train128"}
"""Parts that a CPU takes as a whole."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(torch.device("cpu"), True, tmp_path, time.monotonic() + 60)


@pytest.fixture
def found(tmp_path: Path) -> Findings:
    return Findings(tmp_path / "found.json")


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that what a hanging part has started touches for as long as it lives; parts are in `broken_parts`."""
    mark = tmp_path / "alive"
    program = f"import time, pathlib\nwhile True:\n  pathlib.Path({str(mark)!r}).touch()\n  time.sleep(0.1)"
    (tmp_path / "broken_parts.py").write_text(f"MARK = {program!r}\n{PARTS}", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return mark


@pytest.mark.slow
def test_no_part_stops_the_suite(tmp_path: Path, broken: Path) -> None:
    parts = [Part(name, f"broken_parts:{name}", 1.0) for name in ("fails", "hangs", "dies")]
    parts += [
        Part("endless", "broken_parts:works", 999.0),
        Part("works", "broken_parts:works", 1.0),
    ]
    out = tmp_path / "out"
    report = Suite(parts, Setting("cpu", True, out), minutes=4.0, title="a test").run()["parts"]
    assert {name: part["status"] for name, part in report.items()} == {
        "fails": "failed",
        "hangs": "hung",
        "dies": "failed",
        "endless": "no time",
        "works": "ok",
    }
    assert report["fails"]["facts"]["before"] == 1
    assert [each["error"] for each in report["fails"]["failures"]] == [
        "ValueError: of the first",
        "RuntimeError: of the part",
    ]
    assert report["hangs"]["tables"] == {"kept": [{"figure": 2.5}]}
    assert "at the long one" in report["hangs"]["reason"]
    assert report["dies"]["reason"] == "its process ended with 7"
    assert report["dies"]["output"] == "its last words"
    assert report["works"]["facts"] == {"device": "cpu", "has time": True}
    assert json.loads((out / "report.json").read_text("utf-8"))["parts"] == report
    page = (out / "report.md").read_text("utf-8")
    assert "RuntimeError: of the part" in page
    assert "| endless | no time |" in page
    assert "its last words" in (out / "log.txt").read_text("utf-8")
    touched = broken.stat().st_mtime
    time.sleep(1)
    assert broken.stat().st_mtime == touched, "what a part has started ends with it"


@pytest.mark.slow
def test_it_ends_in_its_minutes_whatever_the_parts_do(
    tmp_path: Path, broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = 0.8
    parts = [Part("stays", "broken_parts:stays", 0.5, most=5.0)]
    parts += [Part("hangs", "broken_parts:hangs", 1.0), Part("works", "broken_parts:works", 1.0)]
    monkeypatch.setattr(schedule, "START_SECONDS", 18.0)
    started = time.monotonic()
    out = tmp_path / "out"
    Suite(parts, Setting("cpu", True, out), minutes=minutes, title="a test").run()
    assert time.monotonic() - started < 60 * minutes
    report = json.loads((out / "report.json").read_text("utf-8"))["parts"]
    statuses = [part["status"] for part in report.values()]
    assert statuses[:2] == ["hung", "hung"]
    assert statuses[2] in ("ok", "hung", "no time")  # a busy machine has used it up
    assert report["stays"]["tables"] == {"kept": [{"figure": 2.5}]}
    page = (out / "report.md").read_text("utf-8")
    assert "| stays | hung |" in page
    assert "hung: ended after" in page


@pytest.mark.slow
def test_it_measures_a_cpu_at_toy_size(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "benchmarks/gpu_suite.py", "--device", "cpu", "--toy"]
    command += ["--minutes", "3", "--parts", "environment", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=240)
    parts = json.loads((out / "report.json").read_text("utf-8"))["parts"]
    assert {name: part["status"] for name, part in parts.items()} == {"environment": "ok"}
    assert parts["environment"]["facts"]["torch"] == torch.__version__
    assert parts["environment"]["facts"]["copy, TB/s read and written"] > 0
    assert "name, memory and versions of the card" in (out / "report.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("part", gpu_suite.PARTS, ids=lambda part: part.name)
def test_every_part_measures_a_cpu_at_toy_size(part: Part, bench: Bench, found: Findings) -> None:
    module, _, function = part.target.partition(":")
    getattr(importlib.import_module(module), function)(bench, found)
    assert found.failures == []
    assert found.doing == []
    in_tables, facts = TOLD[part.name]
    assert {title: len(rows) for title, rows in found.tables.items()} == in_tables
    assert found.facts.keys() >= facts
    assert "left out, needs CUDA" in found.facts or part.name in ANYWHERE
    if part.name == "launches":
        assert all(row["operators"] > 1000 for row in found.tables["one step"])
    if part.name == "nccl":
        assert found.facts["largest error of the sum"] == 0
        assert found.facts["steps"] == 4
        assert found.facts["generator: relative difference to one process"] <= 1e-6
    if part.name == "tests":
        assert found.facts["exit status of pytest"] == 0
    if part.name in ("train32", "train128"):
        assert found.facts["exit status"] == 0
        assert (bench.out / f"{part.name}.png").is_file()


def test_an_unknown_part_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/gpu_suite.py", "--parts", "step,stpe"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "no parts ['stpe'], expected some of environment, equal, step" in ended.stderr


def test_all_parts_fit_into_the_minutes_with_room_for_some_that_take_longer() -> None:
    seconds = sum(part.seconds for part in gpu_suite.PARTS)
    assert seconds + schedule.SPARE_SECONDS + schedule.RESERVE_SECONDS <= 60 * gpu_suite.MINUTES


def test_what_the_parts_leave_goes_to_those_that_can_take_more(tmp_path: Path) -> None:
    parts = [Part("a", "", 10), Part("b", "", 30, most=60), Part("c", "", 30, most=60)]
    parts += [Part("d", "", 20)]
    suite = Suite(parts, Setting("cpu", True, tmp_path), minutes=8.0, title="")
    spare = schedule.SPARE_SECONDS
    aims = [suite._aim(number, 90 + spare + 16) for number in range(4)]
    assert aims == [10, 43, 60, 20]  # where the two before c have taken no time
    assert suite._aim(1, 80 + spare + 200) == 60
    assert suite._aim(1, 40) == 30


def test_all_that_is_marked_gpu_is_in_the_files_that_are_run() -> None:
    marked = {
        str(path.relative_to(ROOT))
        for path in ROOT.glob("tests/**/test_*.py")
        if "pytest.mark.gpu" in path.read_text("utf-8")
    }
    run = {name for name in marked if name.startswith(programs.MARKED)}
    assert {name for name in marked - run if not name.startswith("tests/standin/")} == {
        "tests/benchmarks/test_gpu_suite.py"
    }


@pytest.mark.parametrize("wrong", ["losses", "generator", "discriminator"])
def test_runs_that_differ_are_told_apart(wrong: str, tmp_path: Path, found: Findings) -> None:
    runs = tmp_path / "alone", tmp_path / "shared"
    for run in runs:
        far = {each: 1e-3 * (run == runs[1] and each == wrong) for each in ("losses", wrong)}
        run.mkdir()
        networks = {
            name: {"weight": torch.full((3,), 2 + far.get(name, 0.0)), "count": torch.tensor(4)}
            for name in ("generator", "discriminator")
        }
        save_checkpoint(run / "checkpoint.pt", networks)
        records = [
            {"images": 16, "loss_generator": 0.5 + far["losses"], "r1": 0.1, "seconds": 2.0},
            {"images": 32, "loss_generator": 0.4, "r1": None, "seconds": float(run == runs[1])},
        ]
        (run / "stats.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    programs.compare_runs(runs[0], runs[0], found)
    assert found.facts[f"{wrong}: relative difference to one process"] == 0
    with pytest.raises(ValueError, match="expected at most 1e-06"):
        programs.compare_runs(*runs, found)
    assert found.facts[f"{wrong}: relative difference to one process"] > 4e-4


def test_two_processes_are_left_out_where_there_is_one_card(
    bench: Bench, found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    programs.nccl(replace(bench, device=torch.device("cuda")), found)
    assert found.facts == {"left out": "two processes, as there is one CUDA device"}


def test_tests_that_take_too_long_are_reported_as_far_as_they_came(
    bench: Bench, found: Findings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tests = "import time, pytest\npytestmark = pytest.mark.gpu\ndef test_one(): pass\n"
    slow = tmp_path / "test_slow.py"
    slow.write_text(tests + "def test_two(): time.sleep(60)\n", encoding="utf-8")
    monkeypatch.setattr(programs, "MARKED_TOY", (str(slow),))
    programs.tests(replace(bench, ends=time.monotonic() + 20), found)
    assert found.facts["exit status of pytest"] == "ended for lack of time"
    assert found.facts["tests passed"] == 1


def test_what_was_found_is_on_the_disk_while_more_is_measured(found: Findings) -> None:
    found.row("rates", px=32, rate=1.5)
    with found.attempt("outer"), found.attempt("inner"):
        on_disk = read_findings(found.path)
        assert on_disk["tables"] == {"rates": [{"px": 32, "rate": 1.5}]}
        assert on_disk["doing"] == ["outer", "inner"]
        raise ValueError("not this one")
    (failure,) = read_findings(found.path)["failures"]
    assert (failure["what"], failure["error"]) == ("inner", "ValueError: not this one")


def test_a_page_has_all_columns_of_a_table() -> None:
    rows: list[dict[str, Any]] = [{"px": 32, "ms": 0.12345}, {"px": 2048, "by": "a|b"}]
    part = {"status": "ok", "seconds": 2.0, "tables": {"times": rows}, "facts": {"rate": 12345.6}}
    page = as_markdown({"title": "a card", "parts": {"speed": part}})
    assert "| px | ms | by |\n|---|---|---|\n| 32 | 0.1235 |  |\n| 2,048 |  | a\\|b |" in page
    assert "- rate: 12,345.6" in page


def test_the_time_of_a_part_runs_while_its_process_imports(tmp_path: Path) -> None:
    began = time.time() - 8
    late = Bench.told(device="cuda", toy=True, out=str(tmp_path), aim=5, limit=20, began=began)
    assert 10 < late.seconds_left <= 12


def test_equal_steps_are_found_equal(bench: Bench, found: Findings) -> None:
    equal(bench, found)
    assert found.failures == []
    (name,) = (name for name in found.tables if name.startswith("largest"))
    rows = found.tables[name]
    assert {row["network"] for row in rows} == {"resnet", "vit"}
    assert {row["statistic"] for row in rows} >= {"loss_generator", "r1", "path_length_penalty"}
    assert all(row["difference"] == 0 for row in rows)
    twice = "the same bits twice on the device"
    assert found.facts == {f"resnet: {twice}": True, f"vit: {twice}": True}


def test_a_difference_is_relative_but_at_zero() -> None:
    assert relative(2.0, 2.5) == 0.25
    assert relative(0.0, 1e-9) == pytest.approx(1e-3)


def test_drawn_numbers_are_those_of_the_cpu_wherever_they_go() -> None:
    stream = torch.Generator().manual_seed(3)
    with DrawnOnCpu(torch.device("meta")):
        drawn = torch.randn(2, 3, generator=stream, device="meta")
        plain = torch.zeros(2, device="cpu")
    assert drawn.device.type == "meta"
    assert plain.device.type == "cpu"
    expected = torch.Generator().manual_seed(3)
    torch.randn(2, 3, generator=expected)
    assert torch.equal(stream.get_state(), expected.get_state())


def test_a_plain_step_has_no_penalty_and_another_has_all(bench: Bench) -> None:
    config = bench.config("vit", 8, {"training": {"batch": 4}})
    stepper = Stepper(bench.step(config), config, bench.device)
    assert "r1" not in stepper.plain().losses
    assert "r1" in stepper.penalised().losses


def test_it_measures_what_a_run_on_an_accelerator_gets(bench: Bench) -> None:
    full = Bench(bench.device, False, bench.out, bench.ends).config("resnet", 32)
    assert (full.generator.channel_max, full.training.batch) == (512, 64)
    assert (full.training.precision, full.augment.p) == ("bf16", 0.4)


@pytest.mark.parametrize("ways", [card.UPSAMPLE, card.DOWNSAMPLE, card.SMOOTH])
def test_all_ways_of_a_filter_agree(ways: card.Ways) -> None:
    images = torch.randn(2, 3, 8, 8)
    expected, *others = (way(images) for way in ways.values())
    for other in others:
        torch.testing.assert_close(other, expected)


def test_a_trace_is_counted() -> None:
    def event(category: str, name: str, start: float, length: float) -> dict[str, Any]:
        return {"ph": "X", "cat": category, "name": name, "ts": start, "dur": length}

    trace = Trace.of(
        [
            event("kernel", "fast", 0, 10),
            event("kernel", "slow", 5, 30),
            event("kernel", "fast", 100, 10),
            event("gpu_memcpy", "Memcpy DtoH (Device -> Pageable)", 105, 10),
            event("gpu_user_annotation", "a step", 0, 999),
            event("cuda_runtime", "cudaLaunchKernel", 0, 1),
            event("cuda_runtime", "cudaStreamSynchronize", 0, 1),
            event("cpu_op", "aten::_local_scalar_dense", 0, 1),
            event("cpu_op", "aten::add", 0, 1),
            {"ph": "s", "cat": "ac2g", "name": "ac2g", "ts": 0},
        ]
    )
    assert (trace.kernels, trace.operators, trace.reads) == (3, 2, 1)
    assert trace.copies == {"Memcpy DtoH (Device -> Pageable)": 1}
    assert trace.calls == {"cudaLaunchKernel": 1, "cudaStreamSynchronize": 1}
    assert trace.busy_ms == pytest.approx((35 + 15) / 1e3)
    assert trace.top == [("slow", 1, 0.03), ("fast", 2, 0.02)]


def test_overlaps_count_once() -> None:
    assert covered([(5.0, 7.0), (0.0, 4.0), (1.0, 2.0), (3.0, 6.0)]) == 7.0
    assert covered([]) == 0.0


def test_waits_are_told_with_their_line(
    bench: Bench, found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def work() -> None:
        warnings.warn("called a synchronizing CUDA operation (Triggered internally)", stacklevel=1)
        warnings.warn("of something else", stacklevel=1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the calls that warm up
        launches._waits(bench, found, "a step", work)
    assert modes == ["warn", "default"]
    (row,) = found.tables["waits of a step"]
    assert row["per step"] == 1
    line = work.__code__.co_firstlineno + 1
    assert row["place"].endswith(f"tests/benchmarks/test_gpu_suite.py:{line} work")


def test_a_place_names_the_line_of_ours_that_called_another() -> None:
    import traceback

    frames = [
        traceback.FrameSummary(str(ROOT / "adavit/training/trainer.py"), 5, "run"),
        traceback.FrameSummary("/lib/torch/optim/adam.py", 7, "step"),
    ]
    assert place_of(frames) == "adavit/training/trainer.py:5 run > (torch/optim/adam.py:7 step)"
    assert place_of(frames[1:]) == "not in a line of ours"


def test_a_run_is_asked_to_end() -> None:
    program = "import signal, sys, time; signal.signal(2, lambda *_: sys.exit(130)); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", program])
    assert programs._ended(process, 1.0) == 130
