"""Headless Chromium for tests of pages."""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
    " --disable-dev-shm-usage --window-size=1280,1000"
)
MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("selenium") is None,
        reason="selenium is not installed (extra dev)",
    ),
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="Debian's chromium and chromium-driver are not installed: apt install them",
    ),
]


@contextlib.contextmanager
def opened_browser(profile: Path, downloads: Path) -> Iterator[Any]:
    """A driver that keeps the logs of the console and of requests.

    Args:
        profile: A folder of its own.
        downloads: Where it puts what is downloaded.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.execute_cdp_cmd("Network.enable", {})
        allowed = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
        yield driver
    finally:
        driver.quit()


def requested(driver: Any) -> list[str]:
    """The addresses that were asked for since the log was read last."""
    events = "".join(entry["message"] for entry in driver.get_log("performance"))
    return [
        part.partition('"request":{')[2].partition('"url":"')[2].partition('"')[0]
        for part in events.split('"method":"Network.requestWillBeSent"')[1:]
    ]
