import json
from pathlib import Path

import pytest

from adavit.runs.records import is_untrained
from tests.adavit.report.synthetic import write_grid, write_run
from tests.cli.conftest import TINY, Adavit


def test_a_trained_run_is_reported_and_listed(adavit: Adavit, pictures: Path) -> None:
    for seed in (0, 1):
        out = f"runs/{seed}"
        outcome = adavit("train", "--data", pictures, "--out", out, "--seed", seed, *TINY)
        assert outcome.code == 0, outcome.err
    outcome = adavit("report", "runs")
    assert outcome.code == 0, outcome.err
    written = [line.split()[1] for line in outcome.out.splitlines() if line.startswith("Wrote")]
    assert written == ["report.html", "report.md", "report.csv", "report.json"]
    (row,) = json.loads(Path("report.json").read_text())["rows"]
    assert row["seeds"] == 2
    best = next(
        figure for key, figure in row["figures"].items() if key.startswith("fd_random.best")
    )
    log = [json.loads(line) for line in Path("runs/1/metrics.jsonl").read_text().splitlines()]
    trained = [record["fd_random"] for record in log if not is_untrained(record)]
    assert best["by_seed"]["1"] == min(trained)
    page = Path("report.html").read_text()
    assert "pictures at 16 px" in page
    assert page.count("data:image/webp") >= 3  # real images, and generated ones at both ends


def test_flags_reach_the_report(adavit: Adavit, tmp_path: Path) -> None:
    write_grid(tmp_path / "grid", seeds=1)
    flags = ("--baseline", "color", "--title", "Mine & yours", "--out", "out/mine.html")
    assert adavit("report", "grid", *flags).code == 0
    assert "<h1>Mine &amp; yours</h1>" in Path("out/mine.html").read_text()
    rows = json.loads(Path("out/mine.json").read_text())["rows"]
    assert [row["label"] for row in rows if row["baseline"]] == ["color"]
    merged = adavit("report", "--merge", "out/mine.json", "--out", "out/mine.md")
    assert (merged.code, merged.out.split()[1]) == (0, "out/mine.md")
    assert "from" in Path("out/mine.md").read_text().splitlines()[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("report", "neither a run nor --merge"),
        ("report nothing", "'nothing' is not a folder"),
        ("report empty", "'empty' holds no run"),
        ("report run --out report.pdf", "expected .html"),
        ("report run --merge nothing.json", "--merge 'nothing.json' cannot be read"),
        ("report run --merge run/data.json", "is not a table of adavit report"),
        ("report run --merge report.json", "is where this report's own table goes"),
        ("report run --baseline nothing", "--baseline 'nothing' is not a row"),
        ("report run --out run/data.json/x.html", "run/data.json"),
        ("report run --fromat md", "--fromat"),
    ],
)
def test_what_the_user_can_mend_is_one_clear_line_and_code_2(
    adavit: Adavit, tmp_path: Path, arguments: str, message: str
) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    outcome = adavit(*arguments.split())
    assert outcome.code == 2, (outcome.out, outcome.err)
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert len([line for line in outcome.err.splitlines() if line.startswith("Error")]) == 1
