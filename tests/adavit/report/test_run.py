import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from adavit.errors import UserError
from adavit.report.listing import list_runs
from adavit.report.report import write_report
from adavit.report.run import collect_runs, read_run
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import SilentConsole
from tests.adavit.report.synthetic import cell_of, failed_cell, write_run
from tests.telling import Told


def test_a_failed_cell_is_read_with_its_reason_before_it_is_a_run(tmp_path: Path) -> None:
    run = read_run(failed_cell(tmp_path / "cell", "no such data"))
    assert (run.status, run.reason, run.seed) == ("failed", "no such data", 3)
    assert run.cell is not None
    assert run.cell.axes == {"augmentation": "noise"}


def test_a_cell_is_read_with_its_digest_and_those_of_its_baseline_and_weights(
    tmp_path: Path,
) -> None:
    told = {"cell": "0123456789ab", "compared_with": "c0ffee", "weights": "ab" * 32}
    none = {"compared_with": None, "weights": None}
    for name, more, expected in (
        ("told", told, ("0123456789ab", "c0ffee", "ab" * 32)),
        ("without", told | none, ("0123456789ab", "", "")),
    ):
        cell = read_run(write_run(tmp_path / name, cell=cell_of("bg", 0) | more)).cell
        assert cell is not None
        assert (cell.digest, cell.compared_with, cell.weights) == expected


def _cut(path: Path, kimg: int) -> None:
    log = path / "stats.jsonl"
    kept = [
        line for line in log.read_text().splitlines() if json.loads(line)["images"] <= 1000 * kimg
    ]
    log.write_text("\n".join(kept) + "\n")
    metrics = path / "metrics.jsonl"
    metrics.write_text(metrics.read_text().splitlines()[0] + "\n")


def test_a_run_is_running_while_a_process_holds_its_lock_and_no_longer(tmp_path: Path) -> None:
    finished, early = (write_run(tmp_path / name) for name in ("finished", "early"))
    _cut(early, 12)
    assert read_run(finished).status == "finished"
    assert read_run(early).status == "lost"  # a moment after its last line
    assert not RunDirectory(early).lock.exists()
    with RunDirectory(early).claimed():
        assert read_run(early).status == "running"
    assert read_run(early).status == "lost"


def test_what_a_run_has_noted_of_its_ending_counts_before_its_end(tmp_path: Path) -> None:
    finished, early = (write_run(tmp_path / name) for name in ("finished", "early"))
    _cut(early, 12)
    for note, expected in (
        ({"status": "stopped", "reason": "SIGINT"}, ("stopped", "")),
        ({"status": "failed", "reason": "no room"}, ("failed", "no room")),
        ({"status": "failed", "reason": 7}, ("failed", "no reason was recorded")),
        ({"status": "pruned", "reason": "x"}, ("pruned", "")),
        ({"status": ["odd"]}, ("lost", "")),
    ):
        for path in (finished, early):
            (path / "ending.json").write_text(json.dumps(note))
        run = read_run(early)
        assert (run.status, run.reason) == expected
        assert read_run(finished).status == "finished"
        with RunDirectory(early).claimed():
            assert read_run(early).status == "running"


def test_a_cell_that_is_tried_again_is_running(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", cell={**cell_of("a", 0), "status": "failed", "reason": "x"})
    assert (read_run(path).status, read_run(path).reason) == ("failed", "x")
    with RunDirectory(path).claimed():
        assert (read_run(path).status, read_run(path).reason) == ("running", "")


def _save_generator(path: Path, images: int) -> None:
    save_file({"w": np.zeros(3)}, path / "generator-last.safetensors", {"images": str(images)})
    (path / "checkpoint.pt").touch()


def test_what_a_run_has_seen_is_what_its_checkpoint_holds(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    _cut(path, 12)
    assert read_run(path).images == 12_000
    for saved in (11_008, 13_008):  # killed after a report; stopped by a signal between two
        _save_generator(path, saved)
        assert read_run(path).images == saved
        with RunDirectory(path).claimed():
            assert read_run(path).images == max(saved, 12_000)
    _save_generator(path, 30_000)
    assert read_run(path).status == "finished"


def test_a_run_has_begun_when_it_says_so(tmp_path: Path) -> None:
    told = write_run(tmp_path / "told", started="2026-11-26T03:00:00.5+00:00")
    assert read_run(told).started == 1795662000.5
    for nonsense in ("tomorrow", "9" * 5000, ""):
        path = write_run(tmp_path / f"run{len(nonsense)}", started=nonsense)
        os.utime(path / "config.yaml", (1e9, 1e9))
        assert read_run(path).started == 1e9
    cell = failed_cell(tmp_path / "cell", "no such data")
    os.utime(cell / "cell.json", (2e9, 2e9))
    assert read_run(cell).started == 2e9


def test_a_pruned_trial_says_so(tmp_path: Path) -> None:
    cell = {**cell_of("a", 0), "status": "pruned"}
    assert read_run(write_run(tmp_path / "run", cell=cell)).status == "pruned"


HOSTILE = {
    "config.yaml": ["data: 3"],
    "data.json": ["[]", "{", '{"name": {"a": 1}, "resolution": "x", "training_images": 1e999}', "[" * 9999],
    "stats.jsonl": ['{"images": "1"}', '{"images": true, "p": 1}', '{"images": -4}', '{"images": 5, "p": NaN}'],
    "metrics.jsonl": ['{"images": 0, "fd_random": 1e999}', '{"images": 0, "fd_random": "1", "protocol": 3}'],
    "cell.json": ['{"axes": [1]}', '{"axes": {"x": {"y": [1]}}, "label": 3, "grid": null}', "null"],
    "environment.json": ['{"packages": []}', '{"packages": {"torch": {}}, "device": 4}'],
    "evaluations.jsonl": ["7", '{"fid": {}}', '{"fid": 3, "protocol": {"n_fake": [1, {"a": null}]}}'],
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), [(n, c) for n, cs in HOSTILE.items() for c in cs])
def test_damaged_and_hostile_files_do_no_harm(tmp_path: Path, name: str, content: str) -> None:
    path = write_run(tmp_path / "run")
    (path / name).write_text(content)
    (path / "samples" / "000010kimg.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    write_report([path], tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").stat().st_size > 4_000_000


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    (path / "data.json").write_bytes(b"\xff\xfe\x00")
    assert read_run(path).data == {}


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        text = (path / name).read_text()
        assert old in text
        (path / name).write_text(text.replace(old, new))

    return change


def _last_line(name: str, **values: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        *others, last = (path / name).read_text().splitlines()
        text = json.dumps({**json.loads(last), **values})
        (path / name).write_text("\n".join([*others, text]) + "\n")

    return change


HUGE = f"0x{'f' * 5000}"
BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "no YAML": (lambda path: _write(path, b"a: ["), "not valid YAML"),
    "no mapping": (lambda path: _write(path, b"[1, 2]"), "a list, expected a mapping"),
    "objects": (lambda path: _write(path, b"a: !!python/name:os.system x"), "not valid YAML"),
    "circle": (lambda path: _write(path, b"a: &a [*a]"), "contains itself"),
    "zeros": (lambda path: _write(path, b"\0" * 999), "not valid YAML"),
    "Latin-1": (lambda path: _write(path, "data: {source: é}".encode("latin-1")), "UTF-8"),
    "text for a number": (
        _replace("config.yaml", "total_kimg: 30.0", "total_kimg: 1e3"),
        "training.total_kimg '1e3', expected a number",
    ),
    "list for a number": (_replace("config.yaml", "  p: 0.4", "  p: [1]"), "augment.p [1]"),
    "date for a seed": (_replace("config.yaml", "seed: 1", "seed: 2001-01-01"), "run.seed"),
    "seed of 6,021 digits": (_replace("config.yaml", "seed: 1", f"seed: {HUGE}"), "thousands of digits"),
    "number for a name": (_replace("config.yaml", "mode: fixed", "mode: 3"), "augment.mode 3"),
    "1e308 in a setting": (_replace("config.yaml", "total_kimg: 30.0", "total_kimg: 1.0e+308"), "1e+308"),
    "1e308 in a log": (_last_line("metrics.jsonl", fd_random=1e308), "metrics.jsonl holds the figure 1e+308"),
    "5e-324 s": (_last_line("stats.jsonl", seconds=5e-324), "5e-324"),
    "4,000 digits in a log": (_last_line("stats.jsonl", p=10**3999), "<3999 digits>"),
    "1e200 in a protocol": (_last_line("metrics.jsonl", protocol={"a": [{"b": 1e200}]}), "1e+200"),
}  # fmt: skip


def _write(path: Path, content: bytes) -> None:
    (path / "config.yaml").write_bytes(content)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_run_is_named_in_one_line_and_spoils_nothing(tmp_path: Path, name: str) -> None:
    change, reason = BAD[name]
    write_run(tmp_path / "runs" / "good", values=(9.0, 4.5))
    change(write_run(tmp_path / "runs" / "bad", seed=1))
    told = Told()
    assert [run["best"] for run in list_runs(tmp_path / "runs", told)] == [4.5]
    (line,) = told.notes
    assert line.startswith(f"Left out {tmp_path / 'runs' / 'bad'}: ")
    assert reason in line
    assert "\n" not in line
    write_report([tmp_path / "runs"], tmp_path / "table.json", console=told)
    assert told.notes == [line, line]
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["seeds"] for row in rows] == [1]
    with pytest.raises(UserError, match="no run can be read"):
        collect_runs([tmp_path / "runs" / "bad"])


def test_what_nobody_foresaw_in_a_run_spoils_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("good", "bad"):
        write_run(tmp_path / "runs" / name, seed=len(name))

    def broken(run: Any, **_: object) -> Any:
        if run.name == "bad":
            raise ZeroDivisionError("all is lost\nfor ever")
        return iter(())

    monkeypatch.setattr("adavit.report.tabulation.run_figures", broken)
    monkeypatch.setattr("adavit.report.listing.recorded_metric", lambda records: broken)
    told = Told()
    write_report([tmp_path / "runs"], tmp_path / "table.json", console=told)
    assert told.notes == [f"Left out {tmp_path / 'runs' / 'bad'}: ZeroDivisionError: all is lost"]


def test_damaged_lines_of_logs_are_named_in_one_line_for_each_run(tmp_path: Path) -> None:
    class Told(SilentConsole):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    whole, bad = write_run(tmp_path / "whole"), write_run(tmp_path / "bad")
    for log, damage in (("stats.jsonl", b"\xff\xfe\n"), ("metrics.jsonl", b'{"fid": 3}\n{\n')):
        lines = (bad / log).read_bytes().splitlines(keepends=True)
        (bad / log).write_bytes(lines[0] + damage + b"".join(lines[1:]) + b'{"images": 1')
    expected = (
        f"Warning: line 2 of {bad / 'stats.jsonl'} and lines 2, 3 of {bad / 'metrics.jsonl'} are"
        " damaged and left out; all others are kept."
    )
    told = Told()
    (found, other) = collect_runs([bad, whole], told)
    assert told.notes == [expected]
    assert found.stats == other.stats
    assert found.metrics == other.metrics
    for use in (
        lambda console: list_runs(tmp_path, console),
        lambda console: write_report([tmp_path], tmp_path / "r.html", console=console),
    ):
        told = Told()
        use(told)
        assert told.notes == [expected]


def test_names_that_are_no_text_are_shown_with_escapes(tmp_path: Path) -> None:
    path = write_run(
        tmp_path / os.fsdecode(b"caf\xe9"), cell={**cell_of("a", 0), "label": "a \ud800"}
    )
    (path / "data.json").write_text('{"name": "\\ud800", "resolution": 16}')
    run = read_run(path)
    assert (run.name, run.data["name"]) == (r"caf\udce9", r"\ud800")
    assert run.cell is not None
    assert run.cell.label == r"a \ud800"
    write_report([path], tmp_path / "report.html")


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "circle"])
def test_samples_without_an_end_are_left_out(tmp_path: Path, kind: str) -> None:
    path = write_run(tmp_path / "run")
    sample = path / "samples" / "000099kimg.png"
    if kind == "device":
        sample.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(sample)
    elif kind == "folder":
        sample.mkdir()
    else:
        sample.symlink_to(sample.name)
    write_report([path], tmp_path / "report.html")
    assert "000099" not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("mode", "p", "heuristic", "words"),
    [
        ("none", None, "rt", "none"),
        ("fixed", 0.25, "rt", "bgc p=0.25"),
        ("ada", None, "rt", "bgc adaptive"),
        ("ada", None, "rv", "bgc adaptive r_v"),
        ("ada", None, "relative", "bgc adaptive r_relative"),
        ("scheduled", 0.4, "rt", "bgc scheduled to p=0.4"),
    ],
)
def test_augmentation_in_words(
    tmp_path: Path, mode: str, p: float | None, heuristic: str, words: str
) -> None:
    run = read_run(
        write_run(tmp_path / "a", mode=mode, p=p, settings={"augment": {"heuristic": heuristic}})
    )
    assert run.augmentation == words


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ([], "bgc adaptive"),
        ([{"operation": "RandomHue", "p": 0.5, "hue": 0.1}], "bgc adaptive + RandomHue:0.5"),
        (
            [{"operation": "RandomHue"}, {"operation": "RandomInvert", "p": 1}],
            "bgc adaptive + RandomHue:1 + RandomInvert:1",
        ),
        ("nonsense", "bgc adaptive"),
        ([3, {"p": 1}, {"operation": 7}], "bgc adaptive"),
    ],
)
def test_operations_of_kornia_are_named_with_their_multipliers(
    tmp_path: Path, extra: object, words: str
) -> None:
    settings = {"augment": {"extra": extra}}
    assert read_run(write_run(tmp_path / "a", mode="ada", settings=settings)).augmentation == words
