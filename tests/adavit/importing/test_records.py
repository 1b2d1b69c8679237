import pytest

from adavit.importing.records import (
    LONGEST_NAME,
    Name,
    Record,
    UnreadablePickle,
    check_array_kind,
    described,
    entries_of,
    name_within,
    put_all,
)


def test_keys_that_could_be_slow_to_compare_are_left_out() -> None:
    filled: dict = {}
    put_all(filled, ["a", 1, 7, 2, 2**61 - 1, 3, ((),), 4, None, 5])
    assert filled == {"a": 1, 7: 2}
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        put_all(filled, ["a"])


@pytest.mark.parametrize("kind", ["O", "|O8", "O8", "object", "object_"])
def test_arrays_of_objects_are_refused(kind: str) -> None:
    with pytest.raises(UnreadablePickle, match="NumPy array of objects"):
        check_array_kind((kind, False, True))
    check_array_kind(("f4",))


def test_what_a_file_holds_is_said_in_a_few_words() -> None:
    assert described({"a": 1, 5: 2}) == "a dictionary of 2: a, 5"
    assert described([[]] * 7) == "a list of 7"
    assert described(Record(Name("os.system"), ())) == "an object of 'os.system'"
    assert described(memoryview(b"abc")) == "3 bytes"
    assert len(described({"x" * 1000 + str(n): 1 for n in range(1000)})) < 300
    record = Record(None, ())
    record.entries["k"] = 1
    assert entries_of(record) == {"k": 1}
    assert entries_of(7) == {}


def test_a_record_is_shown_without_its_parts() -> None:
    shared: object = ()
    for _ in range(8):  # 3^8 when it is unfolded
        shared = Record(Name("os.system"), (shared, shared), shared, {"a": shared})
    assert repr(shared) == "<an object of 'os.system'>"
    assert len(repr(Record(Name("x" * 1000), ()))) < 200


def test_a_name_has_so_many_characters_with_what_it_lies_in() -> None:
    assert name_within("synthesis.b4.", "x" * (LONGEST_NAME - 13)).endswith("b4." + "x" * 187)
    assert name_within("layers.", 3) == "layers.3"
    with pytest.raises(UnreadablePickle, match="name of 201 characters, more than 200: 'synthesis"):
        name_within("synthesis.b4.", "x" * (LONGEST_NAME - 12))
