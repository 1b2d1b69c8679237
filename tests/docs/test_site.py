"""The site is built without a warning, and is read without a network."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.browser import MARKS, opened_browser, requested
from tests.docs.documents import ROOT, text_of

TITLES = (
    *("Start", "Your own images", "Reading a run", "ViT or ResNet", "Metrics and protocols"),
    *("Ablations", "Several devices", "Using a generator", "Python API", "Design", "Results"),
    "How adavit differs",
)


class _Loader(yaml.SafeLoader):
    """Takes tags of MkDocs for what they stand before."""


_Loader.add_multi_constructor(
    "tag:yaml.org,2002:python/", lambda loader, _, node: loader.construct_mapping(node)
)


def configuration() -> dict[str, Any]:
    return yaml.load(text_of("mkdocs.yml"), Loader=_Loader)


class Loaded(HTMLParser):
    """Collects what a browser fetches for a page by itself: no links that are followed by a click."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.addresses.append(given.get("href", ""))
        elif tag != "a":
            fetched = ("src", "poster", "data", "action")
            self.addresses += [given[name] for name in fetched if name in given]
            self.addresses += [
                part.split()[0] for part in given.get("srcset", "").split(",") if part
            ]

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style":
            self.addresses += addresses_in_style(data)


def addresses_in_style(text: str) -> list[str]:
    """What a style sheet fetches."""
    found = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", text)
    return [first or second for first, second in found]


def from_elsewhere(addresses: list[str]) -> list[str]:
    return [each for each in addresses if re.match(r"(?i)^(?:https?:)?//", each)]


def test_every_page_has_its_place_in_the_menu() -> None:
    menu = {title: page for entry in configuration()["nav"] for title, page in entry.items()}
    assert tuple(menu)[1:] == TITLES
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    absent = pages - set(menu.values())
    assert not absent, f"{absent} are in docs/ and not in the menu of mkdocs.yml"


def test_the_tools_of_the_site_come_with_its_extra() -> None:
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    assert set(extras["docs"]) < set(extras["dev"])


def test_what_comes_from_elsewhere_is_seen() -> None:
    page = Loaded()
    page.feed(
        '<link rel="stylesheet" href="https://a.example/a.css"><script src="//b.example/b.js"></script>'
        '<img src="c.png" srcset="https://c.example/c.png 2x"><a href="https://d.example">d</a>'
        "<style>@font-face{src:url(https://e.example/e.woff)}</style>"
    )
    assert from_elsewhere(page.addresses) == [
        "https://a.example/a.css",
        "//b.example/b.js",
        "https://c.example/c.png",
        "https://e.example/e.woff",
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_nothing_of_a_page_comes_from_another_host(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert {f"{page.stem}.md" for page in site.glob("*.html")} >= {"index.md", "api.md"}
    for path in pages:
        page = Loaded()
        page.feed(path.read_text(encoding="utf-8"))
        assert page.addresses
        assert not from_elsewhere(page.addresses), path
    for path in site.rglob("*.css"):
        assert not from_elsewhere(addresses_in_style(path.read_text(encoding="utf-8"))), path


@pytest.mark.slow
def test_the_functions_are_described_from_their_docstrings(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    for name in ("train", "load_generator", "publish", "augment.AugmentPipe", "RunConfig"):
        assert f'id="adavit.{name}"' in page, name
    assert "Desired value of the heuristic" in page
    assert 'class="example"' not in page  # "Example:" is text to griffe, and "Examples:" is code
    assert "Adam" in (site / "design.html").read_text(encoding="utf-8")
    # The first page begins as README.md does, with its links led to the site.
    assert 'src="pictures/small_set_curves.png"' in (site / "index.html").read_text()
    # What is named in the pages and lies beside them is there too.
    assert "benchmarks/results/communication.html" in (site / "several-devices.html").read_text()


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Any]:
    with opened_browser(tmp_path / "profile", tmp_path) as driver:
        yield driver


@pytest.mark.usefixtures("site")
class TestInABrowser:
    pytestmark = MARKS

    def test_it_is_searched_from_the_disk(self, site: Path, chromium: Any) -> None:
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        chromium.get((site / "several-devices.html").as_uri())
        field = chromium.find_element(By.CSS_SELECTOR, "input[name=query]")
        WebDriverWait(chromium, 20).until(lambda _: field.is_displayed())
        field.send_keys("torchrun")
        WebDriverWait(chromium, 20).until(
            lambda driver: driver.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
        )
        (first, *_) = chromium.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
        assert "several-devices.html" in first.get_attribute("href")
        asked = requested(chromium)
        assert asked
        of_the_browser_itself = "chrome"
        schemes = {address.partition(":")[0] for address in asked}
        assert schemes <= {"file", "data", "blob", of_the_browser_itself}
        assert not [each for each in chromium.get_log("browser") if each["level"] == "SEVERE"]

    @pytest.mark.parametrize("width", [390, 1280])
    def test_a_page_is_as_wide_as_the_window(self, width: int, site: Path, chromium: Any) -> None:
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for path in sorted(site.glob("*.html")):
            chromium.get(path.as_uri())
            wide = chromium.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, f"{path.name} is {wide} px wide in a window of {width}"
