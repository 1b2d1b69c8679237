"""Commands in messages are what a shell takes: a path with a blank or a quote in it is one word."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adavit.cli.main import COMMANDS
from adavit.runs.directory import RunDirectory

ROOT = Path(__file__).parents[1]
FLAGS = "resume transfer out data styles init-discriminator metric-data config write".split()
TAKES_A_PATH = re.compile(rf"(\badavit ({'|'.join(COMMANDS)})( [a-z]+)?|--({'|'.join(FLAGS)})) $")
QUOTED = re.compile(r"\bquoted(\b|_)")


def unquoted(source: str) -> Iterator[tuple[int, str]]:
    """Values behind words of a command that take a path, with their lines, where nothing has quoted them."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                before += str(part.value)
            elif isinstance(part, ast.FormattedValue):
                value = ast.unparse(part.value)
                # !r is of what was given, not of what to type.
                if (
                    TAKES_A_PATH.search(before)
                    and part.conversion == -1
                    and not QUOTED.search(value)
                ):
                    yield part.lineno, value
                before = ""


def test_paths_in_commands_are_quoted() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {value}"
        for folder in ("adavit", "cli")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, value in unquoted(path.read_text(encoding="utf-8"))
    ]
    assert not found, (
        f"{found}: use adavit.runtime.paths.quoted, or the resume_command of a directory"
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('f"go on with adavit train --resume {path}."', ["path"]),
        ('f"go on with adavit train" f" --resume {path}."', ["path"]),
        ('f"{what}; adavit data check {a.path} --write {out}"', ["a.path", "out"]),
        ('f"adavit card {quoted(str(path))} or adavit studio {quoted_path} --open"', []),
        ('f"adavit card {shlex.quote(str(path))}"', ["shlex.quote(str(path))"]),
        ('f"--out {str(out)!r} is a file of adavit {version}"', []),
        ('f"adavit has {count} rows"', []),
    ],
)
def test_what_is_not_quoted_is_seen(code: str, expected: list[str]) -> None:
    assert [value for _, value in unquoted(code)] == expected


def test_words_are_quoted_in_one_place_which_knows_the_shell() -> None:
    sources = [path for folder in ("adavit", "cli") for path in (ROOT / folder).rglob("*.py")]
    users = [path for path in sources if "shlex" in path.read_text(encoding="utf-8")]
    assert users == [ROOT / "adavit/runtime/paths.py"]


def test_packages_are_quoted_as_every_shell_takes_it() -> None:
    for folder in ("adavit", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "'adavit[" not in path.read_text(encoding="utf-8"), path


def test_what_goes_on_with_a_run_is_one_word(tmp_path: Path) -> None:
    assert RunDirectory(tmp_path / "my run").resume_command.endswith("/my run'")
