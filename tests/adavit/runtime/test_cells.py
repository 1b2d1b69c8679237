import csv
import io
import re

import pytest

from adavit.runtime.cells import csv_cell, markdown_cell, markdown_code


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "＋1", "－1", "＠a"],
)
def test_no_spreadsheet_computes_a_cell(text: str) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([csv_cell(text), "next"])
    assert next(csv.reader(io.StringIO(buffer.getvalue(), newline=""))) == [f"'{text}", "next"]


@pytest.mark.parametrize("value", ["a=1", "runs/a-b", "", "1", -2.5, 3, None, True])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert csv_cell(value) is value


def test_markdown_shows_names_as_they_are() -> None:
    name = "a|b *c* _d_ `e` [f](g) <h> #i !j ~~k~~ &amp; \\l\nm"
    cell = markdown_cell(name)
    assert "\n" not in cell
    assert re.sub(r"\\(.)", r"\1", cell) == " ".join(name.split())
    assert not re.search(r"(?<!\\)(?:\\\\)*[|*`\[\]<>#!~&]", cell)
    assert r"\_d\_" in cell
    assert markdown_cell("fd_random best") == "fd_random best"
    assert markdown_cell("half \ud800 a pair") == r"half \\ud800 a pair"


def test_code_ends_where_it_is_to_end() -> None:
    assert markdown_code("a|b *c* <d>") == "`a|b *c* <d>`"
    assert markdown_code("a`\n\n# b\u2028``") == "`a' # b ''`"
    assert markdown_code("") == markdown_code(" \n") == "` `"
    assert markdown_code("half \ud800 a pair") == r"`half \ud800 a pair`"
