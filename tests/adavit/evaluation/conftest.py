"""Runs and folders that tests of evaluations start from."""

import dataclasses
from pathlib import Path

import pytest

from adavit.evaluation.protocol import PROTOCOLS
from tests.adavit.evaluation.runs import CLASS_SIZES, draw, make_run


@pytest.fixture
def small_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocols with 20 generated images: what they compare is the same."""
    for name, row in PROTOCOLS.items():
        monkeypatch.setitem(PROTOCOLS, name, dataclasses.replace(row, fakes=20))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return draw(tmp_path / "pictures", CLASS_SIZES, 0)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    return draw(tmp_path / "others", {"all": 25}, 1)


@pytest.fixture
def run(pictures: Path) -> Path:
    return make_run(Path("run"), pictures, subset=20)
