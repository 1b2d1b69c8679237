import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adavit.errors import UserError
from adavit.report.curves import thinned
from adavit.report.page import script_json
from adavit.report.report import write_report
from tests.adavit.report.synthetic import cell_of, failed_cell, write_grid, write_run

EVIL = "</script><script>document.title='evil'</script><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """Tags with their attributes, and the text of the data element."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.data = ""
        self._inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        kind = dict(attrs).get("type")
        self._inside = f"{tag} {kind or ''}".strip()

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script application/json":
            self.data += data
        elif self._inside not in ("script", "style"):
            self.text += data

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.data)
        return found


def test_a_report_is_a_page_and_its_table_in_three_more_formats(tmp_path: Path) -> None:
    written = write_report([write_grid(tmp_path / "grid")], tmp_path / "out" / "groups.html")
    names = ["groups.html", "groups.md", "groups.csv", "groups.json"]
    assert [path.name for path in written] == names
    page = Page(written[0])
    for words in ("groups", "squares at 16 px", "30 kimg", "abab", "adavit 0.1.0", "bg", "−3.000"):
        assert words in page.text
    assert [row["label"] for row in page.json["curves"]["rows"]] == ["none", "bg", "color"]
    assert len(page.json["curves"]["runs"]) == 9


def test_a_page_has_two_columns_for_two_protocols(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a", preset="bg")
    write_run(tmp_path / "runs" / "b", preset="color", protocol={"n_fake": 5000})
    page = Page(write_report([tmp_path / "runs"], tmp_path / "r.html")[0])
    assert page.text.count("Protocol of ") == 2
    assert "fd_random best [B]" in page.text
    assert {m["title"] for m in page.json["ranking"]} >= {
        "fd_random best [A]",
        "fd_random best [B]",
    }


def test_curves_are_those_of_the_logs(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", lines=31)
    page = Page(write_report([path], tmp_path / "r.html")[0])
    (run,) = page.json["curves"]["runs"]
    stats = [json.loads(line) for line in (path / "stats.jsonl").read_text().splitlines()]
    assert run["kimg"] == [record["images"] / 1000 for record in stats]
    np.testing.assert_allclose(run["train"], [r["logits_train"] for r in stats], rtol=1e-4)
    np.testing.assert_allclose(run["gap"], 1.0, rtol=1e-4)
    assert "r_v" not in run  # never measured
    curve, _ = run["metrics"].values()
    assert curve == {"kimg": [0, 10, 20, 30], "values": [20, 10, 8, 9]}


def test_long_logs_are_thinned_to_both_ends() -> None:
    records = [{"images": index} for index in range(1001)]
    kept = [record["images"] for record in thinned(records, 11)]
    assert kept == list(range(0, 1001, 100))


def test_names_from_runs_are_text_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "<b>&" / "runs"
    write_run(
        folder / "<i>run",
        cell=cell_of(EVIL, 0, grid=EVIL),
        protocol={"reference": EVIL, "labels": EVIL},
    )
    failed_cell(folder / "x", EVIL, label=EVIL)
    data = {"name": EVIL, "fingerprint": EVIL}
    (folder / "<i>run" / "data.json").write_text(json.dumps(data))
    out, *_ = write_report([folder], tmp_path / "r.html")
    page = Page(out)
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert [attributes.get("type") for attributes in scripts] == ["application/json", None, None]
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert not [attributes for attributes in images if "onerror" in attributes]
    assert EVIL in page.text
    assert page.json["curves"]["rows"][0]["label"] == EVIL


def test_script_json_cannot_leave_its_element() -> None:
    values = {"a": ["</script>", "<!--", "]]>", "&lt;", "\u2028"]}
    text = script_json(values)
    assert not re.search(r"[<>&]", text)
    assert json.loads(text) == values
    with pytest.raises(ValueError, match="JSON"):
        script_json({"a": float("nan")})


def test_nothing_is_fetched_and_the_policy_forbids_it(tmp_path: Path) -> None:
    out, *_ = write_report([write_run(tmp_path / "run")], tmp_path / "r.html")
    page = Page(out)
    for tag, attributes in page.tags:
        for name in ("src", "href", "action"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:", "#")) or not value, (tag, value)
    (policy,) = [a["content"] for t, a in page.tags if a.get("http-equiv") is not None]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data: blob:;")
    assert len(re.findall(r"'sha256-[\w+/]{43}='", policy)) == 2
    assert "unsafe-eval" not in policy


@pytest.mark.slow
def test_a_page_stays_below_10_mb_whatever_is_in_it(tmp_path: Path) -> None:
    """60 runs with long logs, grids of noise, which no codec makes small, and large pictures of pairs."""
    rng = np.random.default_rng(0)
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    for index in range(8):
        noise = rng.integers(0, 256, (530, 530, 3), dtype=np.uint8)
        Image.fromarray(noise).save(sheets / f"{index}.png")
    for number in range(60):
        cell = cell_of(f"cell {number // 3}", number % 3)
        path = write_run(tmp_path / "runs" / str(number), seed=number % 3, cell=cell, lines=1500)
        for index, sheet in enumerate(sorted((path / "samples").iterdir())):
            # A byte behind the end of a PNG makes another file of it, as other runs have others.
            sheet.write_bytes(
                (sheets / f"{(index + number) % 8}.png").read_bytes() + bytes([number])
            )
        (path / "diagnostics").mkdir()
        (path / "diagnostics" / "closest_pairs.png").write_bytes((sheets / "0.png").read_bytes())
    out, *_ = write_report([tmp_path / "runs"], tmp_path / "r.html")
    assert 6_000_000 < out.stat().st_size < 10_000_000
    page = Page(out)
    assert page.json["gallery"]["runs"]
    assert "left out" in page.text


def test_closest_pairs_and_proximity_are_shown(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    folder = path / "diagnostics"
    folder.mkdir()
    Image.new("RGB", (40, 20), "red").save(folder / "closest_pairs.png")
    side = {"images": 200, "closer": 5, "share_closer": 0.025, "share_interval": [0.01, 0.06]}
    space = {"distance": "grey levels", "generated": {**side, "median": 12.5}, "heldout": None}
    record = {
        "spaces": {"pixels": {**space, "leave_one_out_median": 20.25}},
        "duplicates": {"exact_copies": 2, "near_pairs": 3, "images": 1000},
    }
    (folder / "memorisation.json").write_text(json.dumps(record))
    page = Page(write_report([path], tmp_path / "r.html")[0])
    for words in ("pixels (grey levels)", "2.5% [1.0%, 6.0%]", "12.5", "20.25", "2 exact copies"):
        assert words in page.text
    pictures = [a["alt"] for tag, a in page.tags if tag == "img"]
    assert ["Closest pairs" in (alt or "") for alt in pictures] == [True]


def test_leaks_are_shown_with_what_cannot_be_told(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    (path / "diagnostics").mkdir()
    rate = {"value": 0.1, "low": 0.05, "high": 0.15}
    record = {
        "operations": [
            {
                "operation": "cutout",
                "balanced_accuracy": 0.912,
                "rate": rate,
                "control_rate": {**rate, "value": -3},
                "doubtful": True,
            },
            {"operation": "noise", "balanced_accuracy": 0.55, "cannot_be_told": "below 0.7"},
            {"operation": EVIL, "rate": {"value": "1"}},
            7,
        ]
    }
    (path / "diagnostics" / "leaks.json").write_text(json.dumps(record))
    page = Page(write_report([path], tmp_path / "r.html")[0])
    for words in ("0.91", "10.0% [5.0, 15.0]", "doubtful", "cannot be told: below 0.7", EVIL):
        assert words in page.text
    (mark,) = [a for tag, a in page.tags if tag == "line" and a.get("class") == "range"]
    assert (mark["x1"], mark["x2"]) == ("5.0", "15.0")


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


@pytest.mark.parametrize("out", ["report", "report.pdf"])
def test_an_unknown_format_is_refused(tmp_path: Path, out: str) -> None:
    with pytest.raises(UserError, match=r"expected \.html"):
        write_report([write_run(tmp_path / "run")], tmp_path / out)


def test_nothing_to_report_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a run nor --merge"):
        write_report([], tmp_path / "r.html")
