"""Tables of plain text: every column as wide as its widest cell, so that no two run together."""

from collections.abc import Collection, Sequence

GAP = "  "
"""Between two columns."""


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """One line for each row, without blanks at the end.

    Args:
        rows: Cells from the left, the heading among them; a row may have fewer cells than another.
        right: Columns whose cells stand to the right, from 0.
    """
    columns = max(map(len, rows), default=0)
    widths = [
        max(len(row[column]) for row in rows if column < len(row)) for column in range(columns)
    ]
    return [
        GAP.join(
            cell.rjust(widths[column]) if column in right else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]
