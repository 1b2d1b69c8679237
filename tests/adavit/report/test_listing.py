import json
import os
from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.report.listing import describe_run, list_runs, protocol_legend
from adavit.report.run import read_run
from tests.adavit.report.synthetic import failed_cell, write_run


def test_runs_stand_in_the_order_in_which_they_were_started(tmp_path: Path) -> None:
    for hour, name in enumerate(("c", "a", "b")):
        write_run(tmp_path / name, started=f"2026-11-26T{hour:02d}:00:00.000+00:00")
    os.utime(tmp_path / "c" / "stats.jsonl")  # worked on last
    assert [Path(run["run"]).name for run in list_runs(tmp_path)] == ["c", "a", "b"]


def test_the_best_figure_is_that_of_the_first_metric_and_says_when(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", values=(9.0, 4.0, 7.0, 4.0))
    described = describe_run(read_run(path))
    assert (described["metric"], described["best"]) == ("fd_random", 4.0)
    assert described["best_kimg"] == 10.0  # the first of the two


def test_the_best_figure_is_that_of_the_kept_generator_whatever_the_protocol(
    tmp_path: Path,
) -> None:
    """A run may be continued under another version: its best generator is the best of both parts."""
    path = write_run(tmp_path / "a", values=(9.0, 4.0))
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    lines[1]["protocol"]["weights_digest"] = "another"
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert describe_run(read_run(path))["best"] == 4.0


def test_what_is_not_known_is_none(tmp_path: Path) -> None:
    described = describe_run(read_run(failed_cell(tmp_path / "a", "no such data")))
    assert described["reason"] == "no such data"
    assert described["augmentation"] == "noise"  # what the grid calls it
    unknown = (
        "data",
        "discriminator",
        "total_kimg",
        "p",
        "metric",
        "best",
        "best_kimg",
        "protocol",
        "protocol_key",
        "protocol_fields",
    )
    assert all(described[key] is None for key in unknown)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        list_runs(tmp_path / "nothing")


def test_figures_compare_where_their_protocol_and_data_are_the_same(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", seed=1)  # another draw of the same protocol
    assert protocol_legend(list_runs(tmp_path)) == {}
    write_run(tmp_path / "c", protocol={"n_fake": 7})
    write_run(tmp_path / "d", protocol={"reference_fingerprint": "0" * 64})
    failed_cell(tmp_path / "e", "no such data")
    runs = {Path(run["run"]).name: run["protocol_key"] for run in list_runs(tmp_path)}
    legend = protocol_legend(list_runs(tmp_path))
    assert runs["a"] == runs["b"]
    assert {legend[runs[name]][0] for name in "acd"} == {"A", "B", "C"}
    assert legend[runs["c"]][1] == "fd_random, 7 vs 500 of squares"
    assert runs["e"] is None
    # Two letters are never explained by the same words.
    said = {name: legend[runs[name]][1] for name in "ad"}
    assert said == {
        "a": "fd_random, 100 vs 500 of squares; reference_fingerprint none",
        "d": "fd_random, 100 vs 500 of squares; reference_fingerprint 000000000000...",
    }
