from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.report.report import write_report
from tests.adavit.report.page_reader import Page
from tests.adavit.report.synthetic import cell_of, failed_cell, write_grid, write_run


def test_a_report_is_a_page_and_its_table_in_three_more_formats(tmp_path: Path) -> None:
    written = write_report([write_grid(tmp_path / "grid")], tmp_path / "out" / "groups.html")
    names = ["groups.html", "groups.md", "groups.csv", "groups.json"]
    assert [path.name for path in written] == names
    page = Page(written[0])
    for words in ("groups", "squares at 16 px", "30 kimg", "abab", "adavit 0.1.0", "bg", "−3.000"):
        assert words in page.text
    assert [row["label"] for row in page.json["curves"]["rows"]] == ["none", "bg", "color"]
    assert len(page.json["curves"]["runs"]) == 9


def test_a_table_alone_can_be_made_of_json_alone(tmp_path: Path) -> None:
    write_report([write_grid(tmp_path / "grid")], tmp_path / "a.html")
    written = write_report([], tmp_path / "b.md", merge=[tmp_path / "a.json"])
    assert [path.name for path in written] == ["b.md"]
    assert "| bg |" in written[0].read_text()
    assert "a.json" in written[0].read_text()


def test_a_page_of_merged_results_alone_has_the_table(tmp_path: Path) -> None:
    write_report([write_grid(tmp_path / "grid")], tmp_path / "a.json")
    page = Page(write_report([], tmp_path / "b.html", merge=[tmp_path / "a.json"])[0])
    assert "Merged results" in page.text
    assert "a.json" in page.text
    assert page.json["ranking"][0]["rows"][0]["label"] == "none"


def test_a_report_of_the_same_runs_is_the_same(tmp_path: Path) -> None:
    grid = write_grid(tmp_path / "grid", seeds=2)
    one, two = (write_report([grid], tmp_path / name)[0] for name in ("a.html", "b.html"))
    assert one.read_bytes() == two.read_bytes()


def test_an_ending_may_be_written_in_capitals(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    written = write_report([run], tmp_path / "z.HTML")
    assert [path.name for path in written] == ["z.HTML", "z.md", "z.csv", "z.json"]
    assert Page(written[0]).json["curves"]["runs"]
    assert [path.name for path in write_report([run], tmp_path / "y.CSV")] == ["y.CSV"]


def test_a_baseline_of_merged_results_alone_has_a_remedy_that_there_is(tmp_path: Path) -> None:
    write_report([write_grid(tmp_path / "grid")], tmp_path / "a.json")
    with pytest.raises(
        UserError, match=r"^--baseline 'bg' .* Leave --baseline out, or name runs\.$"
    ):
        write_report([], tmp_path / "b.md", merge=[tmp_path / "a.json"], baseline="bg")


@pytest.mark.parametrize("out", ["report", "report.pdf"])
def test_an_unknown_format_is_refused(tmp_path: Path, out: str) -> None:
    with pytest.raises(UserError, match=r"expected \.html"):
        write_report([write_run(tmp_path / "run")], tmp_path / out)


def test_nothing_to_report_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a run nor --merge"):
        write_report([], tmp_path / "r.html")


def test_no_file_of_a_report_tells_where_anything_lies(tmp_path: Path) -> None:
    home = "/home/ann/my things"
    settings = {"data": {"source": f"{home}/photos"}, "metrics": {"names": [f"{home}/x"]}}
    write_run(
        tmp_path / "runs" / "one",
        settings=settings,
        cell=cell_of(f"{home}/a.zip", 0, data=f"{home}/a.zip"),
    )
    write_run(
        tmp_path / "runs" / "other",
        settings={**settings, "augment": {"preset": "bg"}},
        cell=cell_of("b", 0, data="b"),
    )
    failed_cell(tmp_path / "runs" / "failed", f"data.source '{home}/photos' is gone", f"{home}/c")
    written = write_report([tmp_path / "runs"], tmp_path / "report.html")
    assert len(written) == 4
    for file in written:
        text = file.read_text()
        assert "/home/ann" not in text, file
        assert str(tmp_path) not in text, file
    text = (tmp_path / "report.md").read_text()
    for name in ("a.zip", "photos", "is gone"):
        assert name in text
