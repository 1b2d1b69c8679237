import pytest

from adavit.runtime.file_heads import FileHead, first_clause, read_head

FILE = """# adavit train --preset x --data X        half a minute
#
# A network (Karras et al. 2020, arXiv:2006.06676, section 4.4): with more
# behind it. And another sentence.
data: {resolution: 32}
# no head
"""


def test_command_and_prose_of_a_head() -> None:
    head = read_head(FILE)
    prose = "A network (Karras et al. 2020, arXiv:2006.06676, section 4.4): with more behind it. And another sentence."
    assert head == FileHead("adavit train --preset x --data X half a minute", prose)
    assert head.in_short == "A network (Karras et al. 2020, arXiv:2006.06676, section 4.4)"
    assert read_head("data: {}\n") == FileHead("", "")


@pytest.mark.parametrize(
    ("prose", "clause"),
    [
        ("One thing. Another.", "One thing"),
        ("Of Karras et al. 2020, p = 0.4 held.", "Of Karras et al. 2020, p = 0.4 held"),
        ("At 1:2 and\n16:9; more", "At 1:2 and 16:9"),
        ("No end", "No end"),
        ("", ""),
    ],
)
def test_a_clause_ends_at_its_sign_and_not_within_a_name(prose: str, clause: str) -> None:
    assert first_clause(prose) == clause
