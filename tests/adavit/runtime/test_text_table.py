"""Columns of text never run together."""

from adavit.runtime.text_table import aligned


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [["name", "share", "note"], ["a", "100.0% (100.0 to 100.0%)", "x"], ["longer", "0.0%"]]
    assert aligned(rows, right=(1,)) == [
        "name                       share  note",
        "a       100.0% (100.0 to 100.0%)  x",
        "longer                      0.0%",
    ]


def test_a_table_of_nothing_has_no_lines() -> None:
    assert aligned([]) == []
