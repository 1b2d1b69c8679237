import datetime
import json
import os
from pathlib import Path

import pytest
import yaml

from tests.adavit.report.synthetic import failed_cell, write_run
from tests.cli.conftest import Adavit


def write_runs(folder: Path) -> None:
    at = "2026-11-26T03:00:0{}.000+00:00"
    write_run(folder / "new", preset="bg", values=(9.0, 4.5, 7.0), started=at.format(2))
    write_run(folder / "old [red]", mode="none", p=None, seed=3, started=at.format(0))
    failed_cell(folder / "grid" / "bad", "no such data")
    seconds = datetime.datetime.fromisoformat(at.format(1)).timestamp()
    os.utime(folder / "grid" / "bad" / "cell.json", (seconds, seconds))


def test_runs_are_listed_newest_last(adavit: Adavit, tmp_path: Path) -> None:
    write_runs(tmp_path / "runs")
    outcome = adavit("runs")
    assert outcome.code == 0, outcome.err
    lines = [line for line in outcome.out.splitlines() if "squares  " in line or "failed" in line]
    assert [line.split("  ")[0].strip() for line in lines] == ["old [red]", "grid/bad", "new"]
    assert "fd_random 4.5 at 15" in lines[2]
    assert "failed: no such data" in lines[1]
    for words in ("none", "resnet", "finished", "3"):
        assert words in lines[0]


def test_runs_as_json(adavit: Adavit, tmp_path: Path) -> None:
    write_runs(tmp_path / "mine")
    runs = json.loads(adavit("runs", "mine", "--json").out)
    assert [run["run"] for run in runs] == ["mine/old [red]", "mine/grid/bad", "mine/new"]
    assert runs[2] == {
        "run": "mine/new",
        "status": "finished",
        "data": "squares",
        "discriminator": "resnet",
        "augmentation": "bg p=0.4",
        "seed": 0,
        "kimg": 30.0,
        "total_kimg": 30.0,
        "p": 0.4,
        "metric": "fd_random",
        "best": 4.5,
        "best_kimg": 15.0,
        "flattered": False,
        "protocol": "100 vs 500 of squares",
        "protocol_key": runs[0]["protocol_key"],
        "protocol_fields": runs[0]["protocol_fields"],
        "discriminator_saw": [],
        "reason": None,
        "disk_bytes": sum(p.lstat().st_size for p in Path("mine/new").rglob("*") if p.is_file()),
    }
    assert (runs[1]["status"], runs[1]["reason"], runs[1]["best"]) == (
        "failed",
        "no such data",
        None,
    )


def test_a_run_can_be_named_itself(adavit: Adavit, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    assert "squares" in adavit("runs", "run").out


def test_no_runs_are_one_clear_line_and_code_2(adavit: Adavit, tmp_path: Path) -> None:
    missing = adavit("runs")
    assert (missing.code, "Train one first" in missing.err) == (2, True)
    (tmp_path / "runs").mkdir()
    empty = adavit("runs")
    assert (empty.code, "holds no run" in empty.err) == (2, True)


def test_figures_that_do_not_compare_have_letters_and_a_legend(
    adavit: Adavit, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    write_run(folder / "a", values=(9.0, 4.5))
    write_run(folder / "b", values=(9.0, 3.5), seed=1)
    outcome = adavit("runs")
    assert "[A]" not in outcome.out  # all compare
    assert "compare" not in outcome.out
    assert outcome.out.splitlines()[-1] == "best: 100 vs 500 of squares"
    other = {"reference": "cats", "reference_fingerprint": "9" * 64}
    write_run(folder / "c", values=(9.0, 2.5), protocol=other)
    lines = adavit("runs").out.splitlines()
    rows = {line.split()[0]: line for line in lines if "squares" in line and "kimg" not in line}
    assert "4.5 at 30 [A]" in rows["a"]
    assert "3.5 at 30 [A]" in rows["b"]
    assert "2.5 at 30 [B]" in rows["c"]
    assert "[A] fd_random, 100 vs 500 of squares" in lines
    assert "[B] fd_random, 100 vs 500 of cats" in lines
    assert lines[-1] == "Figures with different letters are not comparable."


@pytest.mark.parametrize("width", [30, 60, 80, 120, 200])
def test_a_narrow_terminal_gets_fewer_columns_and_whole_words(
    adavit: Adavit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    write_runs(tmp_path / "runs")
    monkeypatch.setattr("adavit.cli.runs.PIPE_WIDTH", width)
    out = adavit("runs").out
    for word in ("old [red]", "grid/bad", "new", "failed: no such data", "finished"):
        assert word in out
    *table, last = out.rstrip("\n").splitlines()
    hidden = [name for name in ("augmentation", "best", "p") if name not in table[1].split()]
    assert last.startswith("Too narrow for ") == bool(hidden)
    assert all(name in last for name in hidden)
    if width >= 60:
        assert all(len(line.rstrip()) <= width for line in table)
        assert "fd_random 4.5 at 15" in out or "best" in last


def test_a_long_name_is_cut_before_a_figure_is_left_out(
    adavit: Adavit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_run(tmp_path / "runs" / "a", values=(9.0, 4.5))
    config = yaml.safe_load((path / "config.yaml").read_text())
    config["data"]["source"] = "x" * 40 + "middle" + "y" * 40
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    described = json.loads((path / "data.json").read_text())
    (path / "data.json").write_text(json.dumps({**described, "name": config["data"]["source"]}))
    assert "middle" in adavit("runs").out
    monkeypatch.setattr("adavit.cli.runs.PIPE_WIDTH", 145)
    out = adavit("runs").out
    assert f" {'x' * 16}…{'y' * 15} " in out
    assert "0.400" in out
    assert "Too narrow" not in out
    assert " kB " in out


def test_a_bad_run_is_named_beside_the_others(adavit: Adavit, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "good")
    bad = write_run(tmp_path / "runs" / "b\x1b[2Jad")
    (bad / "config.yaml").write_text("\x00")
    outcome = adavit("runs")
    assert outcome.code == 0
    assert "good" in outcome.out
    assert outcome.err.startswith(r"Left out runs/b\x1b[2Jad: config.yaml is not valid YAML")
    assert outcome.err.count("\n") == 1
    assert [run["run"] for run in json.loads(adavit("runs", "--json").out)] == ["runs/good"]


def test_names_do_not_reach_the_terminal_as_sequences(adavit: Adavit, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a\x1b]0;owned\x07", preset="x\x9b31m\u202e")
    failed_cell(tmp_path / "runs" / "cell", "no\x1b[31m data\rwell")
    out = adavit("runs").out
    assert r"a\x1b]0;owned\x07" in out
    assert r"x\x9b31m\u202e" in out
    assert r"no\x1b[31m data" in out
    raw = adavit("runs", "--json").out
    for text in (out, raw):
        assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(text)
    assert json.loads(raw)[0]["run"] == "runs/a\x1b]0;owned\x07"


def test_a_run_that_was_killed_is_lost_and_one_that_was_asked_to_is_stopped(
    adavit: Adavit, tmp_path: Path
) -> None:
    for name in ("killed", "asked", "failed"):
        write_run(tmp_path / "runs" / name, settings={"training": {"total_kimg": 100}})
    for name, status in (("asked", "stopped"), ("failed", "failed")):
        note = {"status": status, "reason": "the disk\x1b[2J is full"}
        (tmp_path / "runs" / name / "ending.json").write_text(json.dumps(note))
    lines = adavit("runs").out.splitlines()
    rows = {line.split()[0]: line for line in lines if "squares" in line}
    assert rows["killed"].split()[-1] == "lost"
    assert rows["asked"].split()[-1] == "stopped"
    assert r"failed: the disk\x1b[2J is full" in rows["failed"]
    assert "30 of 100" in rows["killed"]
    assert lines[-1].startswith("lost: it ended without a word")
    told = {
        Path(run["run"]).name: run["status"] for run in json.loads(adavit("runs", "--json").out)
    }
    assert told == {"killed": "lost", "asked": "stopped", "failed": "failed"}


def test_the_list_has_a_name_too(adavit: Adavit, tmp_path: Path) -> None:
    write_runs(tmp_path / "mine")
    assert adavit("runs", "list", "mine").out == adavit("runs", "mine").out
    assert adavit("runs", "list", "mine", "--json").out == adavit("runs", "--json", "mine").out
    assert adavit("runs", "nothing").code == adavit("runs", "list", "nothing").code == 2
    shown = adavit("runs", "-h").out
    assert "prune" in shown
    assert shown == adavit("runs", "--help").out


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_long_reason_pushes_nothing_out(
    adavit: Adavit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    path = write_run(tmp_path / "runs" / "a", settings={"training": {"total_kimg": 100}})
    reason = "training diverged: " + "word " * 40 + "end"
    (path / "ending.json").write_text(json.dumps({"status": "failed", "reason": reason}))
    monkeypatch.setattr("adavit.cli.runs.PIPE_WIDTH", width)
    out = adavit("runs").out
    assert "failed: training diverg" in out
    assert "30 of 100" in out
    assert "fd_random 8 at 20" in out or width < 80
    (told,) = json.loads(adavit("runs", "--json").out)
    assert told["reason"] == reason
