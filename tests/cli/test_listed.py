from dataclasses import dataclass

import pytest

from adavit.cli.listed import print_json, print_list


@dataclass(frozen=True)
class Thing:
    name: str
    size: int


def test_a_line_beside_a_name_and_below_it_where_there_is_no_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [("a", "one two three four five"), ("a-long-name", "six")]
    print_list(lines)
    assert capsys.readouterr().out == "a            one two three four five\na-long-name  six\n"
    monkeypatch.setattr("adavit.cli.listed.PIPE_WIDTH", 26)
    print_list(lines)
    out = capsys.readouterr().out.splitlines()
    assert max(map(len, out)) <= 26
    assert [line.split() for line in out[:2]] == [["a", "one", "two"], ["three", "four"]]
    assert " ".join(" ".join(out).split()) == "a one two three four five a-long-name six"


def test_data_classes_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([Thing("a", 1)], without=["size"])
    assert capsys.readouterr().out == '[\n  {\n    "name": "a"\n  }\n]\n'
