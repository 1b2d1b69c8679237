import json
from pathlib import Path

import pytest

from adavit.evaluation.compare import NOTHING_COMPARES
from tests.cli.conftest import Adavit

PROTOCOL = {"n_fake": 5000, "n_real": 2000, "extractor": "inception"}


@pytest.fixture(autouse=True)
def records() -> None:
    for name, fakes, fid in (("a", 5000, 5.25), ("b", 5000, 4.0), ("c", 50, 40.0)):
        content = {"fid": fid, "precision": 0.5, "protocol": PROTOCOL | {"n_fake": fakes}}
        Path(f"{name}.json").write_text(json.dumps(content))


def test_a_table_is_printed(adavit: Adavit) -> None:
    outcome = adavit("compare", "a.json", "b.json")
    assert outcome.code == 0, outcome.err
    for word in ("a.json", "5.25", "fid ↓", "precision ↑", "5000 vs 2000"):
        assert word in outcome.out


def test_two_protocols_are_two_columns_and_say_in_what_they_differ(adavit: Adavit) -> None:
    outcome = adavit("compare", "a.json", "b.json", "c.json")
    assert outcome.code == 0, outcome.err
    assert "fid ↓ [A]" in outcome.out
    assert "fid ↓ [B]" in outcome.out
    assert "[B] differs from [A] in n_fake 50 (not 5000)" in outcome.out


def test_of_what_has_nothing_in_common_there_is_no_table(adavit: Adavit) -> None:
    outcome = adavit("compare", "a.json", "c.json")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == [
        "[A] fid, precision of a.json: 5000 vs 2000",
        "[B] fid, precision of c.json: 50 vs 2000",
        "fid, precision [B] differs from [A] in n_fake 50 (not 5000)",
        f"fid, precision: {NOTHING_COMPARES}",
    ]


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("markdown", "|  | fid"),
        ("csv", "source,metric,letter,protocol,value,"),
        ("json", "{\n"),
    ],
)
def test_other_formats_are_printed_alone(adavit: Adavit, form: str, start: str) -> None:
    outcome = adavit("compare", "a.json", "b.json", "--format", form)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(start)


def test_figures_are_never_cut_short_however_many(
    adavit: Adavit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    names = [f"{kind}_random" for kind in ("fd", "kid", "precision", "recall", "density", "ppl")]
    figures = {name: 0.123456 + number for number, name in enumerate(names)}
    Path("many.json").write_text(json.dumps({**figures, "protocol": PROTOCOL}))
    outcome = adavit("compare", "many.json")
    for name, value in figures.items():
        assert name in outcome.out
        assert f"{value:.4g}" in outcome.out
    assert "…" not in outcome.out
    assert max(len(line) for line in outcome.out.splitlines()) <= 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("compare", "Missing argument"),
        ("compare nothing.json", "nothing.json"),
        ("compare a.json a.json", "named twice"),
        ("compare a.json --format html", "html"),
        ("compare .", "is not a run directory"),
    ],
)
def test_what_the_user_can_mend_is_code_2(adavit: Adavit, arguments: str, message: str) -> None:
    outcome = adavit(*arguments.split())
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_marks_in_names_are_printed_as_they_are(adavit: Adavit) -> None:
    Path("[red]x.json").write_text(Path("a.json").read_text())
    assert "[red]x.json" in adavit("compare", "[red]x.json").out


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "json"])
def test_names_do_not_reach_the_terminal_as_sequences(adavit: Adavit, form: str) -> None:
    content = {"fid": 5.0, "protocol": PROTOCOL | {"name": "x\x1b]0;owned\x07"}}
    Path("a\x1b[2J.json").write_text(json.dumps(content))
    outcome = adavit("compare", "a\x1b[2J.json", "a.json", "--format", form)
    assert outcome.code == 0, outcome.err
    assert not {"\x1b", "\x07"} & set(outcome.out)
    assert "owned" in outcome.out
