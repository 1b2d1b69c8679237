import pytest

from adavit.errors import UserError
from adavit.generation.grid_layout import GridLayout


def test_a_layout_is_columns_by_rows() -> None:
    layout = GridLayout.parse("8x4", scale=2, captions=True)
    assert layout == GridLayout(columns=8, rows=4, scale=2, captions=True)
    assert layout.columns_of(32) == 8
    assert GridLayout.parse("", scale=None, captions=False).columns_of(17) == 4
    with pytest.raises(UserError, match="room for 32 images, but 33 are to be drawn"):
        layout.columns_of(33)


@pytest.mark.parametrize("text", ["8", "8x", "x4", "0x4", "8x4x2", "ax4", "8x99999"])
def test_what_is_no_layout_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"expected columns x rows\. Write for example --grid 8x4"):
        GridLayout.parse(text, scale=None, captions=False)
