"""The page in headless Chromium."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adavit.report.report import write_report
from tests.adavit.report.synthetic import cell_of, failed_cell, write_grid, write_run
from tests.browser import MARKS, opened_browser, requested

pytestmark = MARKS

EVIL = "<script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\">"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_grid(folder / "grid", seeds=2)
    write_run(folder / "grid" / "evil", cell=cell_of(EVIL, 0), values=(20.0, 19.0, 18.0, 17.0))
    failed_cell(folder / "grid" / "failed", EVIL)
    return write_report([folder / "grid"], folder / "report.html")[0]


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chromium(downloads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with opened_browser(tmp_path_factory.mktemp("profile"), downloads) as driver:
        yield driver


@pytest.fixture
def browser(chromium: Any, page: Path) -> Any:
    """The page, opened anew, with what an earlier test has changed of the browser undone."""
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for log in ("browser", "performance"):
        chromium.get_log(log)
    chromium.get(page.as_uri())
    return chromium


def texts(browser: Any, selector: str) -> list[str]:
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent.trim())",
        selector,
    )
    return found


def test_it_opens_without_errors_and_asks_the_network_for_nothing(browser: Any, page: Path) -> None:
    assert browser.get_log("browser") == []
    urls = requested(browser)
    assert page.as_uri() in urls
    assert not [url for url in urls if not url.startswith(("file:", "data:", "blob:"))]
    assert browser.title == "groups · adavit report"  # no script of a label has run


def test_the_table_has_the_rows_and_is_sorted_by_a_click(browser: Any) -> None:
    labels = [
        text.split(" baseline")[0].strip() for text in texts(browser, "table.sortable tbody th")
    ]
    assert labels[0].startswith("none")
    assert set(labels[1:]) == {EVIL, "bg", "color"}
    heads = browser.find_elements("css selector", "table.sortable thead th")
    column = next(i for i, head in enumerate(heads) if head.text.startswith("fd_random"))
    for order, expected in (("ascending", 6.0), ("descending", 17.0)):
        heads[column].find_element("tag name", "button").click()
        assert heads[column].get_attribute("aria-sort") == order
        first = browser.find_element(
            "css selector", f"table.sortable tbody tr td:nth-child({column + 1})"
        )
        assert float(first.get_attribute("data-sort")) == expected
    assert "noise" in texts(browser, "#failures")[0]


def test_the_slider_changes_the_pictures_and_says_the_time(browser: Any) -> None:
    sources = "return [...document.querySelectorAll('#sheets img')].map((image) => image.src)"
    move = """const slider = document.getElementById('time'); slider.value = arguments[0];
              slider.dispatchEvent(new Event('input'))"""
    real, *last = browser.execute_script(sources)
    assert texts(browser, "#time-shown") == ["30 kimg"]
    browser.execute_script(move, 0)
    assert texts(browser, "#time-shown") == ["0 kimg"]
    first_real, *first = browser.execute_script(sources)
    assert first_real == real
    assert len(first) == len(last) == 4
    assert all(before != after for before, after in zip(first, last, strict=True))
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('#sheets img')].map((image) => image.naturalWidth)"
    )
    assert sizes == [128] * 5  # eight tiles of 16 pixels, decoded


def test_runs_are_chosen_for_the_samples(browser: Any) -> None:
    assert len(texts(browser, "#sheets figure")) == 5  # the real images, and a run of each row
    box = browser.find_element("css selector", "#sample-runs input:checked")
    browser.execute_script("arguments[0].click()", box)
    assert len(texts(browser, "#sheets figure")) == 4


def test_the_curves_are_drawn_and_rows_can_be_hidden(browser: Any) -> None:
    titles = texts(browser, "#panels h3")
    assert titles.pop().startswith("Mean logits of")
    assert titles == [
        "fd_random",
        "kid_random",
        "Augmentation probability p",
        "r_t, by signs of training logits",
        "Gap of logits, training minus held-out",
    ]
    count = "return document.querySelector('#panels .plot').data.length"
    before = browser.execute_script(count)
    assert before == 3 * 3 + 1  # two seeds and their mean in three rows, one seed in the fourth
    chip = browser.find_element("css selector", "#curve-rows button")
    browser.execute_script("arguments[0].click()", chip)
    assert chip.get_attribute("aria-pressed") == "false"
    assert browser.execute_script(count) == before - 3
    assert "<svg" in browser.execute_script(
        "return document.querySelector('#panels .plot').innerHTML.slice(0, 2000)"
    )


def test_captions_name_what_is_drawn(browser: Any) -> None:
    assert texts(browser, "#ranking .note") == [
        "Dots are seeds, bars their means. The dashed line is the baseline."
    ]
    assert "It overfits where blue and orange part." in texts(browser, "#panels .wide .note")[-1]


def test_a_table_that_is_cut_says_so(browser: Any) -> None:
    shown = "return [...document.querySelectorAll('.cut')].map((e) => !e.hidden)"
    assert browser.execute_script(shown) == [True]
    wide = {"width": 3000, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wide)
    browser.execute_script("document.querySelector('.page').style.maxWidth = 'none'")
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert browser.execute_script(shown) == [False]


def test_one_run_has_no_chart_of_one_dot(chromium: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", lines=3, settings={"training": {"loss": "wasserstein"}})
    for log, kept in (("metrics.jsonl", 1), ("stats.jsonl", 3)):
        lines = [json.loads(line) for line in (run / log).read_text().splitlines()]
        for line in lines:
            line |= {"logits_heldout": None, "r_relative": 0.5}
        (run / log).write_text("".join(json.dumps(line) + "\n" for line in lines[-kept:]))
    chromium.get(write_report([run], tmp_path / "one.html")[0].as_uri())
    hidden = "return ['ranking', 'curve-rows', 'sample-runs'].map((id) => document.getElementById(id).hidden)"
    assert chromium.execute_script(hidden) == [True, True, True]
    titles = texts(chromium, "#panels h3")
    assert titles[:2] == [
        "Augmentation probability p",
        "r_relative, by pairs of logits",
    ]
    assert texts(chromium, "#panels .note")[-1] == (
        "The discriminator's verdict on training images (blue), generated images (pink)."
    )
    assert chromium.get_log("browser") == []


def test_each_number_of_held_out_images_has_its_dashed_line(chromium: Any, tmp_path: Path) -> None:
    for heldout, floor in ((10, 9.0), (95, 4.0), (200, 0.1)):
        path = write_run(tmp_path / str(heldout), seed=heldout, protocol={"n_heldout": heldout})
        lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        changed = [json.dumps({**line, "fd_random_floor": floor}) for line in lines]
        (path / "metrics.jsonl").write_text("\n".join(changed))
    chromium.get(write_report([tmp_path], tmp_path / "r.html")[0].as_uri())
    first, second, *_ = texts(chromium, "#panels .note")
    assert "Dashed: the score of 10 and of 95 held-out real images;" in first
    assert "Dashed" not in second
    shapes = "return document.querySelector('#panels .plot').layout.shapes.map((each) => each.y0)"
    assert chromium.execute_script(shapes) == [9, 4]


def test_figures_can_be_downloaded(browser: Any, downloads: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    for button in browser.find_elements(
        "css selector", "#panels .panel:first-child .downloads button"
    ):
        browser.execute_script("arguments[0].click()", button)
    sheet = browser.find_elements("css selector", "#sheets .downloads button")[-1]
    browser.execute_script("arguments[0].click()", sheet)
    names = ("adavit-fd_random.png", "adavit-fd_random.svg", "adavit-color-seed-0.webp")
    WebDriverWait(browser, 20).until(lambda _: all((downloads / name).exists() for name in names))
    assert (downloads / names[0]).read_bytes().startswith(b"\x89PNG")
    assert (downloads / names[1]).read_text().startswith("<svg")
    assert (downloads / names[2]).read_bytes()[8:12] == b"WEBP"
    assert browser.get_log("browser") == []


def test_light_and_dark(browser: Any) -> None:
    colour = "return getComputedStyle(document.body).backgroundColor"
    media = "Emulation.setEmulatedMedia"
    seen = {}
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd(media, {"features": features})
        seen[scheme] = browser.execute_script(colour)
    assert seen["light"] != seen["dark"]
    browser.find_element("id", "theme").click()  # from the dark of the system to light
    assert browser.execute_script(colour) == seen["light"]


@pytest.mark.parametrize("width", [375, 768, 1280])
def test_the_page_does_not_scroll_sideways(browser: Any, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.refresh()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    widest = (
        "return Math.max(...[...document.querySelectorAll('.plot svg')].map((e) =>"
        " e.getBoundingClientRect().right))"
    )
    assert browser.execute_script(widest) <= width
