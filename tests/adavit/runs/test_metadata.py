import pytest

from adavit.runs.metadata import MOST_COUNTED, Metadata


def test_entries_are_read_by_kind() -> None:
    metadata = Metadata({"a": "text", "b": '{"c": [1]}', "n": "12", "l": "[null]"})
    assert metadata.text("a") == "text"
    known = Metadata({"a": "ab" * 32, "b": "unknown"})
    assert [known.fingerprint(name) for name in "ab"] == ["ab" * 32, "unknown"]
    assert metadata.object("b") == {"c": [1]}
    assert metadata.count("n") == 12
    assert metadata.value("l") == [None]


@pytest.mark.parametrize(
    ("read", "entry", "message"),
    [
        ("text", None, "says nothing of its x"),
        ("fingerprint", None, "says nothing of its x"),
        ("fingerprint", "", "x is '', which is not a fingerprint"),
        ("fingerprint", "ab", "x is 'ab', which is not a fingerprint"),
        ("fingerprint", "ab" * 32 + "\n", "which is not a fingerprint"),
        ("fingerprint", "`\n<script>", r"x is '`\\n<script>', which"),
        ("value", "{", "x is not JSON"),
        ("value", "[" * 100_000, "x is not JSON"),
        ("object", "[1]", r"x is \[1\], which is not an object"),
        ("count", "-1", "x is -1, which is not a count"),
        ("count", "true", "x is True, which"),
        ("count", str(MOST_COUNTED), "not a count"),
        ("count", "9" * 4000, "not a count"),
        ("count", "1.0", "not a count"),
    ],
)
def test_what_is_of_another_kind_is_named(read: str, entry: str | None, message: str) -> None:
    metadata = Metadata({} if entry is None else {"x": entry})
    with pytest.raises(ValueError, match=message):
        getattr(metadata, read)("x")
