from pathlib import Path

import pytest
import torchvision

from adavit.data.known_names import (
    NAMES,
    TORCHVISION_SETS,
    DrawnSet,
    check_source,
    drawn_set,
    has_known_name,
    is_drawn,
)
from adavit.errors import UserError


def test_the_drawn_set_is_named_first() -> None:
    assert NAMES == ("small_set", "cifar10", "cifar100", "stl10", "flowers102")


@pytest.mark.parametrize("name", TORCHVISION_SETS)
def test_each_other_name_is_a_class_of_torchvision(name: str) -> None:
    assert getattr(torchvision.datasets, TORCHVISION_SETS[name].class_name).__name__.lower() == name


@pytest.mark.parametrize(
    "source", [*NAMES, "cifar10:test", "stl10:unlabeled", "small_set:1", "small_set@3:1000000"]
)
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
        ("cifar10:", "one of cifar10:train, cifar10:test"),
    ],
)
def test_anything_else_is_refused(source: str, advice: str) -> None:
    with pytest.raises(UserError, match=advice):
        check_source(source)


@pytest.mark.parametrize(
    ("source", "expected", "shortest"),
    [
        ("small_set", DrawnSet(2000, 0), "small_set"),
        ("small_set:2000", DrawnSet(2000, 0), "small_set"),
        ("small_set@0:500", DrawnSet(500, 0), "small_set:500"),
        ("small_set@7", DrawnSet(2000, 7), "small_set@7"),
        ("small_set@2147483647:1000000", DrawnSet(10**6, 2**31 - 1), None),
    ],
)
def test_a_name_says_how_many_drawings_of_which_seed(
    source: str, expected: DrawnSet, shortest: str | None
) -> None:
    assert drawn_set(source) == expected
    assert expected.source == (shortest or source)
    assert drawn_set(expected.source) == expected


@pytest.mark.parametrize(
    "source",
    [
        *("small_set:", "small_set:0", "small_set:-5", "small_set:1000001", "small_set:test"),
        *(
            "small_set@:5",
            "small_set@x:5",
            "small_set@2147483648",
            "small_set@1@2:5",
            "small_set:5:5",
        ),
        *("small_set:1e3", "small_set:٥", "small_set:1_000", "small_set:" + "9" * 5000),
    ],
)
def test_a_wrong_number_or_seed_says_what_is_expected(source: str) -> None:
    with pytest.raises(UserError) as caught:
        check_source(source)
    message = str(caught.value)
    assert "names no drawings, but must be small_set, small_set:N or small_set@SEED:N" in message
    assert message.endswith("Use for example small_set:5000.")


def test_drawings_are_told_from_other_sets_and_from_paths() -> None:
    assert [is_drawn(each) for each in ("small_set@1:9", "/tmp/small_set", "cifar10:test")] == [
        True,
        False,
        False,
    ]
    assert [has_known_name(each) for each in ("small_set@1:9", "cifar10:test", "my_photos")] == [
        True,
        True,
        False,
    ]
    assert drawn_set("cifar10") is None
    assert DrawnSet(5000, 3).short_name == "small_set-seed3-5000"
