import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.report.page import script_json, shortened
from adavit.report.report import write_report
from adavit.runs import reading
from tests.adavit.report.page_reader import EVIL, Page
from tests.adavit.report.synthetic import cell_of, failed_cell, write_run


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
        (path / "diagnostics" / "memorisation.json").write_text('{"protocol": {}, "spaces": {}}')
    out, *_ = write_report([tmp_path / "runs"], tmp_path / "r.html")
    assert 6_000_000 < out.stat().st_size < 10_000_000
    page = Page(out)
    assert page.json["gallery"]["runs"]
    assert "left out" in page.text


def test_a_page_has_two_columns_for_two_protocols(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a", preset="bg")
    write_run(tmp_path / "runs" / "b", preset="color", protocol={"n_fake": 5000})
    page = Page(write_report([tmp_path / "runs"], tmp_path / "r.html")[0])
    assert page.text.count("Protocol of ") == 2
    assert "fd_random best [B]" in page.text
    tables = [attributes for tag, attributes in page.tags if attributes.get("class") == "sortable"]
    assert len(tables) == 2
    assert page.json["ranking"] == []  # a single figure ranks nothing


def test_a_name_of_megabytes_is_cut_wherever_it_stands(tmp_path: Path) -> None:
    def size(name: str) -> int:
        folder = tmp_path / name[:1]
        for seed in range(2):
            path = write_run(
                folder / str(seed),
                seed=seed,
                cell=cell_of(name, seed, grid=name),
                protocol={"reference": name},
                settings={"data": {"source": name}},
            )
            values = json.loads((path / "data.json").read_text())
            (path / "data.json").write_text(json.dumps({**values, "name": name}))
        failed_cell(folder / "failed", name, label=name)
        out, *_ = write_report([folder], tmp_path / f"{name[:1]}.html")
        return out.stat().st_size

    assert size("a" * 2_000_000) < size("b") + 100_000
    page = (tmp_path / "a.html").read_text()
    assert "a" * 400 + "… (2,000,000 characters)" in page
    assert "a" * 401 not in page


def test_long_texts_are_cut_in_all_that_is_nested() -> None:
    long = "x" * 500
    cut = "x" * 400 + "… (500 characters)"
    assert shortened({"a": [long, 1, None, ("y", long)]}) == {"a": [cut, 1, None, ["y", cut]]}
    assert shortened("x" * 400) == "x" * 400


def test_samples_come_before_the_tables(tmp_path: Path) -> None:
    out, *_ = write_report([write_run(tmp_path / "run")], tmp_path / "r.html")
    sections = [attributes["id"] for tag, attributes in Page(out).tags if tag == "section"]
    assert sections[:3] == ["samples", "results", "curves"]


def test_a_log_is_read_however_long_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_run(tmp_path / "run")
    monkeypatch.setattr(reading, "MAXIMUM_BYTES", (path / "stats.jsonl").stat().st_size - 1)
    (curves,) = Page(write_report([path], tmp_path / "r.html")[0]).json["curves"]["runs"]
    assert len(curves["kimg"]) == 31
