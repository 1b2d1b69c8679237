"""The page in headless Chromium."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adavit.runs.weights_file import read_weights
from adavit.serving.drawing import RecipeDrawer
from adavit.serving.recipe import Recipe
from adavit.serving.site import Reply, Site
from adavit.serving.turns import DrawingTurns
from tests.adavit.serving.serving import serving
from tests.browser import MARKS, opened_browser, requested

pytestmark = MARKS

SLOW_S = 0.1
TOKEN = "a-token_of-tests"
IDLE = """return document.querySelectorAll('.tile img[src]').length === 24
          && document.getElementById('status').textContent === ''"""
RECIPE = "return document.getElementById('picture').dataset.recipe"
DRAWN = """return [...document.querySelectorAll('.tile')].filter((tile) => tile.querySelector('img[src]'))
           .map((tile) => [tile.dataset.seed,
                           new URLSearchParams(tile.querySelector('img').dataset.recipe).get('seed')])"""
"""Of each tile with an image the seed that it names, and the one that was drawn."""


class Busy(Site):
    """Has no room for the first picture, and cannot draw one seed."""

    asked = 0

    def reply(self, target: str) -> Reply:
        self.asked += "picture" in target
        if "picture" in target and self.asked == 1:
            return Reply.refusal(503, "full")
        if "seed=77" in target:
            return Reply.refusal(500, "not finite: because")
        return super().reply(target)


class Slow(Site):
    """Draws as slowly as large generators do."""

    def reply(self, target: str) -> Reply:
        if "picture" in target:
            time.sleep(SLOW_S)
        return super().reply(target)


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chromium(downloads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with opened_browser(tmp_path_factory.mktemp("profile"), downloads) as driver:
        yield driver


@pytest.fixture(scope="module")
def address(drawer: RecipeDrawer) -> Iterator[str]:
    with DrawingTurns() as turns, serving(Site(drawer, turns, TOKEN)) as server:
        yield f"http://127.0.0.1:{server.port}/{TOKEN}/"


def wait(driver: Any, script: str, value: Any = True) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 30, 0.05).until(lambda _: driver.execute_script(script) == value)


def find(driver: Any, selector: str) -> Any:
    return driver.find_element("css selector", selector)


def downloaded(driver: Any, button: str, path: Path) -> bytes:
    from selenium.webdriver.support.ui import WebDriverWait

    find(driver, button).click()
    WebDriverWait(driver, 30, 0.05).until(lambda _: path.exists())
    return path.read_bytes()


def test_one_explores_and_takes_along_what_is_found(
    chromium: Any, address: str, drawer: RecipeDrawer, downloads: Path, tmp_path: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    for log in ("browser", "performance"):
        chromium.get_log(log)
    chromium.get(address)
    wait(chromium, IDLE)
    png = downloaded(chromium, "#download-png", downloads / "seed0000.png")
    assert png == drawer.picture(Recipe(0))
    before = find(chromium, "#picture").get_attribute("src")
    find(chromium, "#truncation").send_keys(Keys.ARROW_LEFT * 4)
    wait(chromium, RECIPE, "seed=0&truncation=0.8")
    assert find(chromium, "#picture").get_attribute("src") != before

    find(chromium, ".tile:nth-child(6)").click()
    wait(chromium, RECIPE, "seed=5&truncation=0.8")
    assert find(chromium, ".tile[aria-current]").get_attribute("aria-label") == "Seed 5"
    png = downloaded(chromium, "#download-png", downloads / "seed0005.png")
    assert png == drawer.picture(Recipe(5, truncation=0.8))

    find(chromium, "#later").click()
    find(chromium, "#picks [value=other]").click()
    # Over the wall by keys.
    find(chromium, ".tile:nth-child(1)").send_keys(Keys.ARROW_RIGHT)
    assert chromium.switch_to.active_element.get_attribute("aria-label") == "Seed 25"
    chromium.switch_to.active_element.send_keys(Keys.ENTER)
    wait(chromium, RECIPE, "seed=5&truncation=0.8&other=25&layers=0%2C1%2C2")
    find(chromium, "#layers [value='1']").send_keys(Keys.SPACE)
    find(chromium, "#direction-2").send_keys(Keys.ARROW_RIGHT * 3)
    find(chromium, "#class").send_keys("cow")
    expected = "seed=5&truncation=0.8&class=2&other=25&layers=0%2C2&amounts=2%3A0.3"
    wait(chromium, RECIPE, expected)
    told = "Seed 5, cow, layers 0,2 of seed 25, truncation 0.8, direction 2: 0.3"
    assert find(chromium, "#picture").get_attribute("alt") == told
    recipe = Recipe(5, 2, 0.8, other=25, layers=(0, 2), amounts=((2, 0.3),))
    png = downloaded(chromium, "#download-png", downloads / "seed0005-mix25.png")
    assert png == drawer.picture(recipe)
    name = "seed0005-mix25-w.safetensors"
    assert downloaded(chromium, "#download-latent", downloads / name) == drawer.latent(recipe)
    tensors, said = read_weights(downloads / name)
    assert (tensors["w"].shape, json.loads(said["made"])["other"]) == ((6, 6), 25)

    find(chromium, "#controls [type=reset]").click()
    wait(chromium, RECIPE, "seed=5&truncation=1")
    seed = find(chromium, "#seed")
    seed.clear()
    seed.send_keys("18446744073709551616")  # 2^64: no seed
    assert seed.get_attribute("aria-invalid") == "true"
    wait(chromium, IDLE)
    assert chromium.get_log("browser") == []
    urls = requested(chromium)
    assert urls
    assert all(url.startswith((address, f"blob:{address[:16]}", "data:")) for url in urls)


def test_the_wall_turned_there_and_back_shows_the_seeds_that_it_names(
    chromium: Any, drawer: RecipeDrawer
) -> None:
    with DrawingTurns() as turns, serving(Slow(drawer, turns, TOKEN)) as server:
        chromium.get(f"http://127.0.0.1:{server.port}/{TOKEN}/")
        wait(chromium, IDLE)
        later, earlier = "document.getElementById('later')", "document.getElementById('earlier')"
        chromium.execute_script(f"{later}.click(); {earlier}.click()")
        time.sleep(4 * SLOW_S)  # what was asked for first has come meanwhile
        wait(chromium, IDLE)
    shown = chromium.execute_script(DRAWN)
    assert len(shown) == 24
    assert all(seed == drawn for seed, drawn in shown)


def test_a_tile_never_names_a_seed_beside_the_image_of_another(
    chromium: Any, drawer: RecipeDrawer
) -> None:
    status = "return document.getElementById('status').textContent.split('.')[0]"
    with DrawingTurns() as turns, serving(Slow(drawer, turns, TOKEN)) as server:
        chromium.get(f"http://127.0.0.1:{server.port}/{TOKEN}/")
        wait(chromium, IDLE)
        turn = "document.getElementById('later').click();"
        shown = chromium.execute_script(turn + DRAWN)
        assert all(seed == drawn for seed, drawn in shown)
        wait(chromium, IDLE)
        # The first reply is cut short, and nothing else comes.
        cut = """const real = window.fetch;
                 window.fetch = async (...given) => {
                   const reply = await real(...given);
                   window.fetch = () => Promise.reject();
                   window.restore = () => { window.fetch = real; };
                   reply.blob = () => Promise.reject(new Error('cut short'));
                   return reply;
                 };"""
        chromium.execute_script(cut + turn)
        wait(chromium, status, "No answer: adavit studio has ended")
        assert chromium.execute_script(DRAWN) == []
        chromium.execute_script(
            "window.restore(); document.getElementById('truncation')"
            ".dispatchEvent(new Event('change', { bubbles: true }))"
        )
        wait(chromium, "return document.querySelectorAll('.tile img[src]').length", 24)
        assert all(seed == drawn for seed, drawn in chromium.execute_script(DRAWN))


def test_a_picture_is_told_by_what_it_was_made_of_and_not_by_what_is_chosen_now(
    chromium: Any, drawer: RecipeDrawer
) -> None:
    with DrawingTurns() as turns, serving(Slow(drawer, turns, TOKEN)) as server:
        chromium.get(f"http://127.0.0.1:{server.port}/{TOKEN}/")
        wait(chromium, IDLE)
        chromium.execute_script(
            """const by = (id) => document.getElementById(id), picture = by('picture');
               const choose = () => by('controls').dispatchEvent(new Event('input'));
               window.told = [];
               new MutationObserver(() => told.push(picture.alt))
                 .observe(picture, { attributes: true, attributeFilter: ['data-recipe'] });
               by('class').value = '0';
               by('other').value = '3';
               choose();
               by('class').value = '2';
               by('layers').querySelector("[value='1']").checked = false;
               choose();"""
        )
        wait(chromium, "return window.told.length", 2)
        assert chromium.execute_script("return window.told") == [
            "Seed 0, cat, layers 0-2 of seed 3",
            "Seed 0, cow, layers 0,2 of seed 3",
        ]
        assert find(chromium, "#caption").text == "Seed 0, cow, layers 0,2 of seed 3"


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "light"), (390, "dark"), (820, "light"), (1280, "dark")]
)
def test_it_fits_phones_and_desktops(chromium: Any, address: str, width: int, scheme: str) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        chromium.get(address)
        wait(chromium, IDLE)
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
        colour = "return getComputedStyle(document.body).backgroundColor"
        assert chromium.execute_script(colour) == (
            "rgb(251, 251, 249)" if scheme == "light" else "rgb(20, 22, 23)"
        )
        unnamed = """return [...document.querySelectorAll('input, select, button, a[href]')].filter(
            (e) => !(e.labels && [...e.labels].some((l) => l.textContent.trim()))
            && !e.getAttribute('aria-label') && !e.textContent.trim()).map((e) => e.outerHTML)"""
        assert chromium.execute_script(unnamed) == []
        frame, controls = (
            chromium.execute_script(
                "return document.querySelector(arguments[0]).getBoundingClientRect()", selector
            )
            for selector in ("#frame", "#controls")
        )
        beside = controls["left"] >= frame["right"]
        assert beside == (width > 820)
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_waits_for_a_busy_server_and_says_when_it_has_ended(
    chromium: Any, drawer: RecipeDrawer
) -> None:
    status = "return document.getElementById('status').textContent.split(/[;:]/)[0]"
    with DrawingTurns() as turns:
        site = Busy(drawer, turns, TOKEN)
        with serving(site) as server:
            chromium.get(f"http://localhost:{server.port}/{TOKEN}/")
            wait(chromium, status, "The server is busy")
            wait(chromium, IDLE)
            assert chromium.execute_script(RECIPE) == "seed=0&truncation=1"
            find(chromium, "#seed").send_keys("\ue003" + "77")  # backspace
            wait(chromium, status, "not finite")
            find(chromium, "#later").click()
            wait(
                chromium,
                "return document.querySelector('.tile img').dataset.recipe?.slice(0, 8)",
                "seed=24&",
            )
            assert (
                chromium.execute_script(status) == "not finite"
            )  # that tiles are drawn hides nothing
            assert chromium.execute_script(RECIPE) == "seed=7&truncation=1"  # the one that is shown
        find(chromium, "#controls [data-step='1']").click()
        wait(chromium, status, "No answer")
