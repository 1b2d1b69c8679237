import pickle
import pickletools
import resource
from collections import OrderedDict
from typing import Any

import pytest

from adavit.importing.machine import DEEPEST, MOST_OPERATIONS, Machine
from adavit.importing.records import Name, Record, UnreadablePickle


def read(content: bytes, **options: Any) -> Any:
    return Machine(memoryview(content), **options).run()


def plain(value: Any) -> Any:
    """As it was pickled: sets are lists and bytes are views after reading."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return type(value)(map(plain, value)) if isinstance(value, list | tuple) else value


VALUES = {
    "none": None,
    "truth": [True, False],
    "whole": [0, 1, -1, 255, 256, 65536, -(2**31), 2**40, -(2**100), 2**300],
    "number": [0.0, -1.5, 1e300],
    "text": ["", "a", "é\n\\u", "x" * 300, "\U0001f600"],
    "shared": [[1, 2]] * 3,
    "nested": {"a": ({"b": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]},), 3: "c"},
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", VALUES)
def test_plain_values_are_read_as_python_reads_them(name: str, protocol: int) -> None:
    assert plain(read(pickle.dumps(VALUES[name], protocol))) == VALUES[name]


@pytest.mark.parametrize("protocol", range(3, 6))
def test_bytes_and_sets_are_read(protocol: int) -> None:
    found = read(pickle.dumps([b"abc", b"x" * 300, bytearray(b"y"), {7}, frozenset([8])], protocol))
    if protocol == 5:
        assert [bytes(each) for each in found[:3]] == [b"abc", b"x" * 300, b"y"]
    if protocol >= 4:
        assert found[3:] == [[7], [8]]


def test_every_opcode_of_python_is_known_or_refused() -> None:
    for opcode in pickletools.opcodes:
        with pytest.raises(UnreadablePickle) as caught:
            read(opcode.code.encode("latin-1") + b"\xff")
        assert "opcode at byte 0" not in str(caught.value), opcode.name


MARK, CALL = b"(", b"cos\nsystem\n"
GADGETS = {
    "REDUCE": CALL + b"(X\x04\x00\x00\x00exittR.",
    "OBJ": MARK + CALL + b"X\x04\x00\x00\x00exito.",
    "INST": b"(X\x04\x00\x00\x00exitios\nsystem\n.",
    "NEWOBJ": CALL + b"X\x04\x00\x00\x00exit\x85\x81.",
    "NEWOBJ_EX": CALL + b"X\x04\x00\x00\x00exit\x85}\x92.",
    "STACK_GLOBAL": b"\x8c\x02os\x8c\x06system\x93X\x04\x00\x00\x00exit\x85R.",
}


@pytest.mark.parametrize("how", GADGETS)
def test_what_would_be_called_becomes_a_record(how: str) -> None:
    found = read(GADGETS[how])
    assert isinstance(found, Record)
    assert (found.name, found.arguments) == ("os.system", ("exit",))


def test_state_entries_and_elements_are_kept_by_records() -> None:
    found = read(b"c__main__\nThing\n)\x81}X\x01\x00\x00\x00aK\x01sb.")
    assert (found.name, found.state) == ("__main__.Thing", {"a": 1})
    assert read(pickle.dumps(OrderedDict(a=1), 2)).entries == {"a": 1}
    assert read(b"cx\nList\n)RK\x01aK\x02a.").arguments == ()
    assert read(b"cos\nsystem\n.") == Name("os.system")


REFUSED = {
    "extension": (b"\x82\x01.", r"extension registry \(EXT\)"),
    "extension 2": (b"\x83\x01\x00.", r"extension registry \(EXT\)"),
    "extension 4": (b"\x84\x01\x00\x00\x00.", r"extension registry \(EXT\)"),
    "persistent id": (b"P1\n.", "persistent id"),
    "persistent id 2": (b"NQ.", "persistent id"),
    "buffer": (b"\x97.", "buffers that lie outside"),
    "protocol": (b"\x80\x09N.", "protocol 9"),
    "bytes": (b"\x8e" + b"\xff" * 8 + b"x.", "cut"),
    "bytes of a bomb": (b"B\xff\xff\xff\x7f.", "cut"),
    "text": (b"\x8d" + b"\xff" * 8 + b".", "cut"),
    "whole number": (b"\x8b\xff\xff\xff\x7f.", "whole number of 2,147,483,647 bytes"),
    "negative length": (b"\x8b\xff\xff\xff\xff.", "whole number of -1 bytes"),
    "digits": (b"I" + b"9" * 5000 + b"\n.", "5,000 digits"),
    "depth": (b"(" * (DEEPEST + 1) + b".", f"more than {DEEPEST} deep"),
    "line": (b"V" + b"x" * 3_000_000 + b"\n.", "line that is too long"),
    "name": (b"c" + b"x" * 2000 + b"\ny\n.", "name that is too long"),
    "cut": (b"]K", "cut: it ends at byte 2"),
    "empty": (b"", "cut"),
    "odd": (b"}(K\x01u.", "damaged"),
    "memory": (b"h\x07.", "damaged"),
    "a memo of 2^32 places": (b"Nr\xff\xff\xff\xff.", "memo with the place 4.295e"),
    "a place of many digits": (b"Np" + b"9" * 60 + b"\n.", r"the place 1e\+60"),
    "a place below all": (b"Np-1\n.", "the place -1"),
    "recall of a far place": (b"g1000000\n.", r"the place 1e\+06"),
    "stack": (b".", "damaged"),
    "mark": (b"t.", "damaged"),
    "call": (b"cos\nsystem\nNR.", "call without arguments"),
    "objects": (b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R.", "NumPy array of objects"),
    "opcode": (b"\xff", "no pickle's opcode at byte 0"),
    "append": (b"NK\x01a.", "adds to what is not a list"),
    "set": (b"NK\x01K\x02s.", "adds to what is not a dictionary"),
    "quotes": (b"Sabc\n.", "text without quotes"),
    "name of a number": (b"NN\x93.", "name that is not text"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_file_of_networks_has_is_refused(what: str) -> None:
    content, told = REFUSED[what]
    with pytest.raises(UnreadablePickle, match=told):
        read(content)


def test_a_file_has_so_many_parts() -> None:
    with pytest.raises(UnreadablePickle, match="more than 100 parts"):
        read(b"]" * 101 + b".", most=100)
    assert MOST_OPERATIONS >= 500_000  # networks of 1024 px have 60,000


TWICE = b"h\x00h\x00\x86q\x000"
"""A tuple of two of what was there before."""
ALIKE = b"".join(b"\x8a\x09" + n.to_bytes(9, "little") + b"N" for n in range(0, 2**65, 2**61 - 1))
"""Whole numbers that Python's dictionaries cannot tell apart at first, with values."""

BOMBS = {
    "tuples of tuples": b")q\x000" + TWICE * 60 + b"h\x00.",
    "as a key": b"})q\x000" + TWICE * 60 + b"h\x00Ns.",
    "deep tuples": b")" + b"\x85" * 90_000 + b".",
    "deep calls": CALL + b")R" * 45_000 + b".",
    "text by reference": b"\x8cd" + b"x" * 100 + b"\x94" + b"h\x00" * 90_000 + b".",
    "pairs": b"](K\x01K\x02\x86K\x03K\x04\x86e\x94" + b"cx\nOrderedDict\nh\x00\x85R" * 9000 + b".",
    "keys": b"}(" + ALIKE + b"u.",
}


def test_little_stays_little() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in BOMBS.values():
        read(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_pickles_of_a_storage_refer_outside_and_call_nothing() -> None:
    machine = Machine(memoryview(b"X\x01\x00\x00\x00aQ."), of_storage=True)
    found = machine.run()
    assert (found.function, found.arguments, machine.references) == (Machine.PERSISTENT, ("a",), 1)
    for content in GADGETS.values():
        with pytest.raises(UnreadablePickle, match="storage that holds something else"):
            read(content, of_storage=True)
