from pathlib import Path

import pytest

from tests.docs.documents import documents, text_of
from tests.docs.writing import WIDTH, bare_fractions, long_lines

PAGES = [each for each in documents() if each == "README.md" or each.startswith("docs/")]
PAGES += ["CHANGELOG.md"]
ROOT = Path(__file__).parents[2]
CONFIGS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "configs").rglob("*.yaml"))]


@pytest.mark.parametrize("document", PAGES)
def test_numbers_have_a_zero_before_the_point(document: str) -> None:
    bare = bare_fractions(text_of(document))
    assert not bare, f"{document}: {bare}: write 0.44, not .44"


@pytest.mark.parametrize("config", CONFIGS)
def test_so_have_numbers_in_the_heads_of_configurations(config: str) -> None:
    lines = (ROOT / config).read_text(encoding="utf-8").splitlines()
    head = "\n".join(line for line in lines if line.startswith("#"))
    assert head
    bare = bare_fractions(head)
    assert not bare, f"{config}: {bare}: write 0.44, not .44"


@pytest.mark.parametrize("document", PAGES)
def test_lines_of_prose_are_no_longer_than_a_terminal_is_wide(document: str) -> None:
    long = list(long_lines(text_of(document)))
    assert not long, f"{document}: {long}: break them at {WIDTH} characters"


def test_a_number_without_its_zero_is_seen() -> None:
    text = """\
FD .44, (.5) and -.25 to 0.6, 1.25; `.3` and `--set x=.5
.6`, [a](b/.7), 3.5.1, .venv
| .8 |
```
.9
```
"""
    assert bare_fractions(text) == ["1: .44", "1: .5", "1: .25", "3: .8"]


def test_a_line_that_is_too_long_is_seen() -> None:
    words = "word " * 30
    text = f"{words}\n| {words}|\n![{words}](a.png)\n```\n{words}\n```\n- {words}"
    assert [each.partition(":")[0] for each in long_lines(text)] == ["1", "7"]
