import pytest

from adavit.report.table import Figure, Row, Table
from adavit.report.wording import Wording


def table_with(*columns: tuple[str, dict[str, object]]) -> Table:
    return Table(
        columns=[
            {"key": str(place), "name": name, "statistic": "", "meaning": "", "better": "lower",
             "protocol": protocol}
            for place, (name, protocol) in enumerate(columns)
        ],
        rows=[], failures=[],
    )  # fmt: skip


def test_a_letter_is_one_protocol_in_all_columns() -> None:
    few, many = {"n_fake": 100}, {"n_fake": 5000}
    table = table_with(
        ("fid", {**few, "setting": "f"}),
        ("kid", {**few, "setting": "k"}),
        ("kid", {**many, "setting": "k"}),
        ("is", many),
        ("fid", {**many, "setting": "f"}),
    )
    assert list(Wording(table).letters.values()) == ["A", "A", "B", "", "B"]


def test_a_metric_set_in_two_ways_has_two_letters() -> None:
    table = table_with(
        ("fid", {"n_fake": 1, "setting": "f"}),
        ("kid", {"n_fake": 1, "setting": "100"}),
        ("kid", {"n_fake": 1, "setting": "1000"}),
    )
    assert list(Wording(table).letters.values()) == ["", "A", "B"]
    assert list(Wording(table_with(("fid", {"n_fake": 1}))).letters.values()) == [""]


@pytest.mark.parametrize(
    ("value", "words"),
    [(1234.5, "1234"), (12.3456, "12.35"), (0.5, "0.500"), (0.00012, "0.000120")],
)
def test_a_number_has_three_or_four_digits(value: float, words: str) -> None:
    column = {"key": "x", "name": "x", "statistic": "", "meaning": "", "better": None}
    row = Row(
        label="a", grid="", axes={}, baseline=False, compared_with=None, seeds=1, origin="",
        figures={"x": Figure(mean=value, sd=None, by_seed={"0": value})},
    )  # fmt: skip
    table = Table(columns=[column], rows=[row], failures=[])
    assert Wording(table).number(value, table.columns[0]) == words
