import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adavit.curation.borders import Frame
from adavit.curation.check import DataCheck
from adavit.curation.check_page import build_page
from adavit.curation.likeness import AlikePair
from adavit.runtime.files import write_text
from tests.adavit.curation.test_check import checked
from tests.browser import MARKS, opened_browser, requested


@pytest.fixture
def check(spoilt: Path) -> DataCheck:
    found = checked(spoilt)
    hostile = replace(found.images, name="<script>alert(1)</script>")
    return replace(found, images=hostile)


def test_the_page_shows_what_was_found_and_asks_for_nothing(check: DataCheck) -> None:
    page = build_page(check)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "default-src 'none'" in page
    for words in ("a/mirrored_04.png", "a/broken.png", "in more than one class", "a/blank.png"):
        assert words in page
    if check.symmetries:
        assert page.count('class="card test"') == len(check.symmetries)
    assert page.count("data:image/png;base64,") > 20


def test_the_page_says_at_which_size_frames_were_looked_for(check: DataCheck) -> None:
    assert "Images were looked at as 32x32 px" in build_page(check)


def test_names_that_are_no_text_are_shown_escaped(check: DataCheck, tmp_path: Path) -> None:
    seen = replace(check.seen, class_counts={"caf\udce9": 12, "tea": 9})
    given = replace(
        check, given="f\udcff", seen=replace(seen, frames={0: Frame((1, 1, 9, 9), (0,))})
    )
    write_text(tmp_path / "check.html", build_page(given))
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert "caf\\udce9" in page
    assert "adavit data crop" in page
    assert "f\\udcff" in page


def test_mirrored_twins_are_shown_after_the_copies(check: DataCheck) -> None:
    page = build_page(replace(check, twins=[AlikePair(7, 9, mirrored=True, correlation=1.0)]))
    assert page.index("2 images in more than one class") < page.index("2 images that mirror each")


def test_labels_are_compared_as_often_for_many_clusters_as_for_few(
    spoilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, asked = checked(spoilt), [0]

    def across(check: DataCheck) -> list[list[int]]:
        asked[0] += 1
        return [group for group in check.clusters if group[0] % 2]

    monkeypatch.setattr(DataCheck, "across", property(across))
    counts = []
    for pairs in (2, 10):
        asked[0] = 0
        groups = [[at, at + 10] for at in range(pairs)]
        page = build_page(replace(found, clusters=groups))
        assert page.count("in more than one class") == 1 + pairs // 2  # one tells how many
        counts.append(asked[0])
    assert counts[0] == counts[1]


def browser_marks(test: Any) -> Any:
    for mark in MARKS:
        test = mark(test)
    return test


@browser_marks
def test_it_fits_a_phone_and_a_desktop(check: DataCheck, tmp_path: Path) -> None:
    (tmp_path / "check.html").write_text(build_page(check))
    with opened_browser(tmp_path / "profile", tmp_path) as driver:
        for width in (390, 1280):
            metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            driver.get((tmp_path / "check.html").as_uri())
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert not [address for address in requested(driver) if address.startswith("http")]
        assert driver.get_log("browser") == []
