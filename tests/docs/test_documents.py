import pytest

from tests.docs.documents import Block, blocks, prose

TEXT = """\
# Title
Some `code`.
```
first
  second
```
- item:

  ```python
  x = 1
  ```
````text
```
````
"""


def test_blocks_come_with_language_and_line() -> None:
    assert blocks(TEXT, "a.md") == [
        Block("a.md", 4, "", "first\n  second"),
        Block("a.md", 10, "python", "x = 1"),
        Block("a.md", 13, "text", "```"),
    ]


def test_a_block_without_an_end_is_told() -> None:
    with pytest.raises(AssertionError, match=r"a\.md:2: the block has no end"):
        blocks("text\n```\nx", "a.md")


def test_prose_keeps_the_numbers_of_lines() -> None:
    kept = prose(TEXT).split("\n")
    assert len(kept) == len(TEXT.splitlines())
    assert [line for line in kept if line] == ["# Title", "Some `code`.", "- item:"]
