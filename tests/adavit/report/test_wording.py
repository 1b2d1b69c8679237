import pytest

from adavit.report.table import Figure, Row, Table
from adavit.report.wording import Wording


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
