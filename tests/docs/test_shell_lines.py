import pytest

from tests.docs.documents import Block
from tests.docs.shell_lines import commands


def words_of(text: str, language: str = "") -> list[tuple[str, ...]]:
    return [command.words for command in commands(Block("a.md", 10, language, text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adavit train --data x   # don't forget", [("adavit", "train", "--data", "x")]),
        ("# a line for itself", []),
        ("adavit data check a.gif#003", [("adavit", "data", "check", "a.gif#003")]),
        ("A=1 B='2 3' adavit runs", [("adavit", "runs")]),
        ("adavit runs --json > runs.json", [("adavit", "runs", "--json")]),
        ("adavit runs | head -n 3; make lint", [("adavit", "runs"), ("head", "-n", "3"), ("make", "lint")]),
        ("adavit train \\\n    --p 3 # so\n\nadavit runs", [("adavit", "train", "--p", "3"), ("adavit", "runs")]),
        ("adavit train --extra '[{a: X, p: 0.5}]'", [("adavit", "train", "--extra", "[{a: X, p: 0.5}]")]),
        ("run $(hostname a | head):29", [("run", "SUBSTITUTED:29")]),
        ('R=out\nadavit train --out $R --data "${R}/x"', [("adavit", "train", "--out", "out", "--data", "out/x")]),
    ],
)  # fmt: skip
def test_lines_are_read_as_a_shell_would(text: str, expected: list[tuple[str, ...]]) -> None:
    assert words_of(text) == expected


def test_a_variable_with_two_values_gives_two_commands() -> None:
    text = '[ -e r ] && W="--resume r" || W="--data x"\nadavit train $W'
    assert words_of(text)[-2:] == [
        ("adavit", "train", "--resume", "r"),
        ("adavit", "train", "--data", "x"),
    ]


def test_other_languages_hold_no_commands() -> None:
    assert words_of("adavit train", "python") == []
    assert words_of("adavit train", "yaml") == []


def test_of_a_console_only_what_was_typed() -> None:
    assert words_of("$ adavit runs\nadavit has printed this", "console") == [("adavit", "runs")]


def test_a_command_says_where_it_begins() -> None:
    (_, second) = commands(Block("a.md", 10, "", "x\nadavit \\\n runs"))
    assert second.where == "a.md:11"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("adavit runs", ("runs",)),
        (".venv/bin/adavit runs", ("runs",)),
        ("python -m adavit runs", ("runs",)),
        ("srun torchrun --nnodes 2 -m adavit train --kimg 1", ("train", "--kimg", "1")),
        ("srun adavit train --kimg 1", ("train", "--kimg", "1")),
        ("make train", ("train", "--data", "small_set")),
        ('make train DATA=x ARGS="--kimg 1"', ("train", "--data", "x", "--kimg", "1")),
        ("make test", None),
        ("pip install adavit", None),
    ],
)
def test_adavit_is_known_however_it_is_called(line: str, expected: tuple[str, ...] | None) -> None:
    (command,) = commands(Block("a.md", 1, "", line))
    assert command.of_adavit == expected
