import json
from collections.abc import Iterator

import pytest

from adavit.doctor.finding import Finding
from tests.cli.conftest import Adavit

FOUND = [
    Finding("versions", "ok", "All of them."),
    Finding("disk", "note", "Little room at a\x1b[2J long/path." + " word" * 30, "Make some."),
]
PROBLEM = Finding("runs folder", "problem", "It cannot be written.", "Name another with --out.")


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    listed = [*FOUND]

    def examine(*, speed: bool) -> Iterator[Finding]:
        yield from listed
        if speed:
            yield Finding("speed", "ok", "Fast.")

    monkeypatch.setattr("adavit.cli.doctor.examine", examine)
    return listed


@pytest.mark.parametrize("width", [40, 60, 200])
def test_findings_are_told_with_what_to_do(
    adavit: Adavit, findings: list[Finding], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("adavit.cli.listed.PIPE_WIDTH", width)
    outcome = adavit("doctor")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[:2] == ["ok       versions", "         All of them."]
    assert "note     disk" in lines
    assert "         -> Make some." in lines
    assert r"a\x1b[2J long/path" in " ".join(outcome.out.split())
    assert "\x1b" not in outcome.out
    assert max(map(len, lines[:-1])) <= min(width, 120)
    assert lines[-1] == "This machine can train: adavit train --data small_set."


def test_a_problem_has_exit_code_1(adavit: Adavit, findings: list[Finding]) -> None:
    findings.append(PROBLEM)
    outcome = adavit("doctor", "--no-speed")
    assert outcome.code == 1
    assert "speed" not in outcome.out
    assert "problem  runs folder" in outcome.out
    assert outcome.out.splitlines()[-1] == "Training is prevented by: runs folder."


def test_findings_as_json(adavit: Adavit, findings: list[Finding]) -> None:
    told = json.loads(adavit("doctor", "--json").out)
    assert told["usable"] is True
    assert [each["name"] for each in told["findings"]] == ["versions", "disk", "speed"]
    assert told["findings"][1]["remedy"] == "Make some."
    findings.append(PROBLEM)
    outcome = adavit("doctor", "--json")
    assert (outcome.code, json.loads(outcome.out)["usable"]) == (1, False)


def test_a_real_machine_is_looked_at(adavit: Adavit) -> None:
    told = json.loads(adavit("doctor", "--no-speed", "--json").out)
    names = [each["name"] for each in told["findings"]]
    assert {"versions", "processor", "threads", "load", "memory", "disk", "cache"} <= set(names)
    assert all(each["state"] in ("ok", "note", "problem") for each in told["findings"])
