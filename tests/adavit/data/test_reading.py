import pytest

from adavit.data.reading import Reading
from adavit.errors import UserError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": "last"}, r"data.frames is 'last'.*first, all.*--frames first"),
        ({"scale_16bit": "8"}, r"data.scale_16bit is '8'.*auto, full, set.*--scale-16bit auto"),
    ],
)
def test_other_values_are_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Reading(**values)  # type: ignore[arg-type]


def test_each_way_to_read_has_a_key_of_its_own() -> None:
    ways = [Reading(f, s) for f in ("first", "all") for s in ("auto", "full", "set")]  # type: ignore[arg-type]
    assert len({way.key() for way in ways}) == 6
