import sys

import pytest

from adavit.doctor import cards, examination, processor, space, weights
from adavit.doctor.examination import examine, usable
from adavit.doctor.finding import Finding
from adavit.errors import UserError

MODULES = {"cards": cards, "processor": processor, "space": space, "weights": weights}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in MODULES.items():
        finding = Finding(name, "ok", "")
        monkeypatch.setattr(module, f"examine_{name}", lambda finding=finding: iter([finding]))
    monkeypatch.setattr(
        examination, "examine_versions", lambda: iter([Finding("versions", "ok", "")])
    )


def told() -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(speed=False)}


def test_all_parts_are_looked_at() -> None:
    assert list(told()) == ["versions", *examination.PARTS]
    assert set(examination.PARTS) == set(MODULES)


def test_a_part_that_cannot_be_looked_at_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("odd")

    def mendable() -> None:
        raise UserError("HOME is empty")

    monkeypatch.setattr(cards, "examine_cards", broken)
    monkeypatch.setattr(space, "examine_space", mendable)
    found = told()
    assert list(found) == ["versions", *examination.PARTS]
    assert (found["cards"].state, found["cards"].found) == (
        "note",
        "Could not be looked at (ZeroDivisionError: odd).",
    )
    assert (found["space"].state, found["space"].found) == ("problem", "HOME is empty")


def test_a_library_that_does_not_load_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # its import raises then
    found = told()
    assert list(found) == ["versions", "torchvision"]
    assert found["torchvision"].state == "problem"
    assert "It cannot be loaded: ModuleNotFoundError" in found["torchvision"].found


def test_one_problem_is_enough() -> None:
    well, worth = Finding("a", "ok", ""), Finding("b", "note", "")
    assert usable([well, worth])
    assert not usable([well, Finding("c", "problem", ""), worth])
