from pathlib import Path

import pytest
import torchvision

from adavit.data.known_names import NAMES, TORCHVISION_SETS, check_source
from adavit.errors import UserError


def test_the_drawn_set_is_named_first() -> None:
    assert NAMES == ("small_set", "cifar10", "cifar100", "stl10", "flowers102")


@pytest.mark.parametrize("name", TORCHVISION_SETS)
def test_each_other_name_is_a_class_of_torchvision(name: str) -> None:
    assert getattr(torchvision.datasets, TORCHVISION_SETS[name].class_name).__name__.lower() == name


@pytest.mark.parametrize("source", [*NAMES, "cifar10:test", "stl10:unlabeled"])
def test_names_and_splits_are_sources(source: str) -> None:
    check_source(source)


def test_what_lies_on_the_disk_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small_set:mine").mkdir()
    check_source("small_set:mine")
    check_source(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("", "Check the path"),
        ("x" * 300, "Check the path"),
        ("a\0b", "Check the path"),
        ("small_sett", "Did you mean 'small_set'"),
        ("small_set:", "small_set has no splits"),
        ("cifar10:", "one of cifar10:train, cifar10:test"),
    ],
)
def test_anything_else_is_refused(source: str, advice: str) -> None:
    with pytest.raises(UserError, match=advice):
        check_source(source)
