import json
import os
import time
from pathlib import Path

import pytest

from adavit.report.run import read_run
from tests.adavit.report.synthetic import cell_of, failed_cell, write_run


def test_a_failed_cell_is_read_with_its_reason_before_it_is_a_run(tmp_path: Path) -> None:
    run = read_run(failed_cell(tmp_path / "cell", "no such data"))
    assert (run.status, run.reason, run.seed) == ("failed", "no such data", 3)
    assert run.cell is not None
    assert run.cell.axes == {"augmentation": "noise"}


def _cut(path: Path, kimg: int) -> None:
    log = path / "stats.jsonl"
    kept = [
        line for line in log.read_text().splitlines() if json.loads(line)["images"] <= 1000 * kimg
    ]
    log.write_text("\n".join(kept) + "\n")
    metrics = path / "metrics.jsonl"
    metrics.write_text(metrics.read_text().splitlines()[0] + "\n")


def test_status_is_finished_running_or_stopped(tmp_path: Path) -> None:
    finished, early, old = (write_run(tmp_path / name) for name in ("finished", "early", "old"))
    _cut(early, 12)
    _cut(old, 12)
    long_ago = time.time() - 3600
    os.utime(old / "stats.jsonl", (long_ago, long_ago))
    assert read_run(finished).status == "finished"
    assert read_run(early).status == "running"
    assert read_run(old).status == "stopped"


def test_a_slow_run_is_given_three_intervals(tmp_path: Path) -> None:
    slow = write_run(tmp_path / "slow", lines=4)
    records = [{"images": 1000 * index, "seconds": 400.0 * index} for index in range(3)]
    (slow / "stats.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (slow / "metrics.jsonl").write_text("")
    for age, status in ((1100, "running"), (1300, "stopped")):
        os.utime(slow / "stats.jsonl", (time.time() - age,) * 2)
        assert read_run(slow).status == status


def test_a_run_that_lost_its_patience_is_finished(tmp_path: Path) -> None:
    for patience, status in ((15, "finished"), (25, "stopped")):
        path = write_run(
            tmp_path / str(patience),
            values=(20.0, 5.0, 6.0, 7.0),
            settings={"metrics": {"patience_kimg": patience}, "training": {"total_kimg": 100}},
        )
        for log in ("stats.jsonl", "metrics.jsonl"):
            os.utime(path / log, (1.0, 1.0))
        assert read_run(path).status == status


def test_a_pruned_trial_says_so(tmp_path: Path) -> None:
    cell = {**cell_of("a", 0), "status": "pruned"}
    assert read_run(write_run(tmp_path / "run", cell=cell)).status == "pruned"


HOSTILE = {
    "config.yaml": ["!!python/object/apply:os.system [echo]", "[1, 2]", "\x00", "a: &a [*a]", "data: 3"],
    "data.json": ["[]", "{", '{"name": {"a": 1}, "resolution": "x", "training_images": 1e999}', "[" * 9999],
    "stats.jsonl": ['{"images": "1"}', '{"images": true, "p": 1}', '{"images": -4}', '{"images": 5, "p": NaN}'],
    "metrics.jsonl": ['{"images": 0, "fd_random": 1e999}', '{"images": 0, "fd_random": "1", "protocol": 3}'],
    "cell.json": ['{"axes": [1]}', '{"axes": {"x": {"y": [1]}}, "label": 3, "grid": null}', "null"],
    "environment.json": ['{"packages": []}', '{"packages": {"torch": {}}, "device": 4}'],
    "evaluations.jsonl": ["7", '{"fid": {}}', '{"fid": 3, "protocol": {"n_fake": [1, {"a": null}]}}'],
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), [(n, c) for n, cs in HOSTILE.items() for c in cs])
def test_damaged_and_hostile_files_do_no_harm(tmp_path: Path, name: str, content: str) -> None:
    from adavit.report.report import write_report

    path = write_run(tmp_path / "run")
    (path / name).write_text(content)
    (path / "samples" / "000010kimg.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    write_report([path], tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").stat().st_size > 4_000_000


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    (path / "data.json").write_bytes(b"\xff\xfe\x00")
    assert read_run(path).data == {}


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
