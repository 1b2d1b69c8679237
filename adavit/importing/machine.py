"""Reads a pickle without running it: a machine of its own for the opcodes of protocols 0 to 5.

A pickle is a program, and Python's unpickler runs it: it calls what the file names. It also trusts the file with
memory: an index makes a table of that size, a key is hashed however deep it is. Here every opcode is a method below,
none of which can call what a file names: calls become `adavit.importing.records.Record`. What a file announces is
compared with what it has before anything is made of it, and bytes are views of the file, not copies.
"""

import pickle
import struct
from collections.abc import Callable
from typing import Any

from adavit.importing.records import Name, Record, UnreadablePickle, check_array_kind, put_all

MOST_OPERATIONS = 1_000_000
"""Opcodes of a file; networks of 1024 px have a tenth of it. Each makes an object of at most some hundred bytes."""

DEEPEST = 500
"""Objects within objects that are begun and not yet ended."""

LONGEST_TEXT_BYTES = 2**20
"""Of one text; the source code of a network is a twentieth. A longer one stays bytes of the file."""

MOST_TEXT_BYTES = 2**28
"""Of all texts: a character takes up to four bytes in memory."""

_LONGEST_NAME = 1000
_LONGEST_NUMBER_BYTES = 64


class Machine:
    """The opcodes of one pickle in a file that may hold more behind it.

    Args:
        content: The file.
        start: Where the pickle begins.
        most: Opcodes that it may have.
        of_storage: Whether it is one of those that a storage begins with. They may refer to what lies outside of
            them, which becomes a record of `PERSISTENT`, and call nothing, even in name: torch reads them once more.

    Attributes:
        at: The byte that is read next.
        references: How often it has referred to what lies outside.
    """

    PERSISTENT = Name("persistent id")

    def __init__(
        self,
        content: memoryview,
        start: int = 0,
        *,
        most: int = MOST_OPERATIONS,
        of_storage: bool = False,
    ) -> None:
        self.at = start
        self._most = most
        self._content = content
        self.references = 0
        self._of_storage = of_storage
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._text_bytes = 0

    def run(self) -> Any:
        """What the pickle describes; `at` is then where it ends.

        Raises:
            UnreadablePickle: If it is damaged or too large, or wants what is not given to it.
        """
        try:
            for _ in range(self._most):
                code = self._take(1)[0]
                if code == _STOP:
                    return self._stack.pop()
                operation = _OPERATIONS.get(code)
                if operation is None:
                    raise UnreadablePickle(f"it has no pickle's opcode at byte {self.at - 1}")
                operation(self)
        except UnreadablePickle:
            raise
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
            raise UnreadablePickle(f"it is damaged before byte {self.at}") from None
        raise UnreadablePickle(f"it has more than {self._most:,} parts")

    def _take(self, count: int) -> memoryview:
        end = self.at + count
        if end > len(self._content):
            raise UnreadablePickle(f"it is cut: it ends at byte {len(self._content)} in a value")
        taken = self._content[self.at : end]
        self.at = end
        return taken

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> bytes:
        """Up to the end of the line, which is left out."""
        length = 256
        while True:
            found = bytes(self._content[self.at : self.at + length]).find(b"\n")
            if found >= 0:
                self._count_text(found)
                return bytes(self._take(found + 1)[:-1])
            if self.at + length >= len(self._content):
                raise UnreadablePickle(f"it is cut: it ends at byte {len(self._content)} in a line")
            if length > LONGEST_TEXT_BYTES:
                raise UnreadablePickle("it has a line that is too long")
            length *= 2

    def _text(self, length: int) -> str | memoryview:
        taken = self._take(length)
        if length > LONGEST_TEXT_BYTES:
            return taken
        self._count_text(length)
        return str(taken, "utf-8", "surrogatepass")

    def _count_text(self, length: int) -> None:
        self._text_bytes += length
        if self._text_bytes > MOST_TEXT_BYTES:
            raise UnreadablePickle(f"it has more than {MOST_TEXT_BYTES:,} bytes of text")

    def _integer(self, length: int) -> int:
        if not 0 <= length <= _LONGEST_NUMBER_BYTES:
            raise UnreadablePickle(f"it has a whole number of {length:,} bytes")
        return int.from_bytes(self._take(length), "little", signed=True)

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop_to_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._marks.pop()
        return items

    def _call(self, function: Any, arguments: Any) -> None:
        if self._of_storage:
            raise UnreadablePickle("it has a storage that holds something else")
        if not isinstance(arguments, tuple):
            raise UnreadablePickle("it is damaged: a call without arguments")
        if isinstance(function, Name) and function.text == "numpy.dtype":
            check_array_kind(arguments)
        self._push(Record(function, arguments))

    def _name(self, module: str, name: str) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnreadablePickle("it is damaged: a name that is not text")
        if len(module) + len(name) > _LONGEST_NAME:
            raise UnreadablePickle("it has a name that is too long")
        self._push(Name(f"{module}.{name}"))

    def _mark(self) -> None:
        if len(self._marks) >= DEEPEST:
            raise UnreadablePickle(f"it is nested more than {DEEPEST} deep")
        self._marks.append(self._stack)
        self._stack = []

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_to_mark()

    def _int_line(self) -> None:
        line = self._line()
        truth = {b"00": False, b"01": True}
        self._push(truth[line] if line in truth else self._digits(line))

    def _digits(self, line: bytes) -> int:
        if len(line) > 3 * _LONGEST_NUMBER_BYTES:
            raise UnreadablePickle(f"it has a whole number of {len(line):,} digits")
        return int(line)

    def _string_line(self) -> None:
        line = self._line()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise UnreadablePickle("it is damaged: a text without quotes")
        self._push(line[1:-1].decode("unicode_escape"))

    def _append(self) -> None:
        self._extend([self._stack.pop()])

    def _extend(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Record):  # what a foreign list holds is not looked at
            raise UnreadablePickle("it is damaged: it adds to what is not a list")

    def _dictionary(self) -> None:
        filled: dict[str | int, Any] = {}
        put_all(filled, self._pop_to_mark())
        self._push(filled)

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([key, value])

    def _set_items(self, flat: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict | Record):
            raise UnreadablePickle("it is damaged: it adds to what is not a dictionary")
        put_all(target.entries if isinstance(target, Record) else target, flat)

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, Record):
            target.state = state

    def _reduce(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        self._call(function, arguments)

    def _new_with_keywords(self) -> None:
        self._stack.pop()  # the keywords: no object of a network has some
        self._reduce()

    def _object(self) -> None:
        function, *arguments = self._pop_to_mark()
        self._call(function, tuple(arguments))

    def _instance(self) -> None:
        self._global()
        function = self._stack.pop()
        self._call(function, tuple(self._pop_to_mark()))

    def _global(self) -> None:
        module = self._line().decode("utf-8")
        self._name(module, self._line().decode("utf-8"))

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._name(module, name)

    def _reference(self, identifier: Any) -> None:
        self.references += 1
        if not self._of_storage:
            raise UnreadablePickle("it refers to what lies outside of it (a persistent id)")
        self._push(Record(self.PERSISTENT, (identifier,)))

    def _remember(self, place: int) -> None:
        self._memo[self._known(place)] = self._stack[-1]

    def _recall(self, place: int) -> None:
        self._push(self._memo[self._known(place)])

    def _known(self, place: int) -> int:
        if not 0 <= place < MOST_OPERATIONS:  # larger ones may all have one hash
            raise UnreadablePickle(f"it has a memo with the place {place:.4g}")
        return place

    def _tuple(self, count: int) -> None:
        self._push(tuple([self._stack.pop() for _ in range(count)][::-1]))

    def _protocol(self) -> None:
        version = self._take(1)[0]
        if version > pickle.HIGHEST_PROTOCOL:
            raise UnreadablePickle(f"it has protocol {version}, which no Python writes")


def _refused(what: str) -> Callable[[Machine], None]:
    def refuse(machine: Machine) -> None:
        raise UnreadablePickle(f"it {what}")

    return refuse


_STOP = pickle.STOP[0]
_EXTENSION = _refused("names code by a number of an extension registry (EXT)")
_OUTSIDE = _refused("refers to buffers that lie outside of it")

_BY_OPCODE: dict[bytes, Callable[[Machine], Any]] = {
    # Marks and the stack
    pickle.MARK: Machine._mark,
    pickle.POP: Machine._pop,
    pickle.POP_MARK: lambda m: m._pop_to_mark(),
    pickle.DUP: lambda m: m._push(m._stack[-1]),
    # Plain values
    pickle.NONE: lambda m: m._push(None),
    pickle.NEWTRUE: lambda m: m._push(True),
    pickle.NEWFALSE: lambda m: m._push(False),
    pickle.INT: Machine._int_line,
    pickle.BININT: lambda m: m._push(m._number("<i")),
    pickle.BININT1: lambda m: m._push(m._number("<B")),
    pickle.BININT2: lambda m: m._push(m._number("<H")),
    pickle.LONG: lambda m: m._push(m._digits(m._line().removesuffix(b"L"))),
    pickle.LONG1: lambda m: m._push(m._integer(m._number("<B"))),
    pickle.LONG4: lambda m: m._push(m._integer(m._number("<i"))),
    pickle.FLOAT: lambda m: m._push(float(m._line())),
    pickle.BINFLOAT: lambda m: m._push(m._number(">d")),
    pickle.STRING: Machine._string_line,
    pickle.BINSTRING: lambda m: m._push(m._take(m._number("<I"))),  # bytes, for Python 2
    pickle.SHORT_BINSTRING: lambda m: m._push(str(m._take(m._number("<B")), "latin-1")),
    pickle.UNICODE: lambda m: m._push(str(m._line(), "raw-unicode-escape")),
    pickle.BINUNICODE: lambda m: m._push(m._text(m._number("<I"))),
    pickle.SHORT_BINUNICODE: lambda m: m._push(m._text(m._number("<B"))),
    pickle.BINUNICODE8: lambda m: m._push(m._text(m._number("<Q"))),
    pickle.BINBYTES: lambda m: m._push(m._take(m._number("<I"))),
    pickle.SHORT_BINBYTES: lambda m: m._push(m._take(m._number("<B"))),
    pickle.BINBYTES8: lambda m: m._push(m._take(m._number("<Q"))),
    pickle.BYTEARRAY8: lambda m: m._push(m._take(m._number("<Q"))),
    # Containers
    pickle.EMPTY_LIST: lambda m: m._push([]),
    pickle.EMPTY_SET: lambda m: m._push([]),
    pickle.LIST: lambda m: m._push(m._pop_to_mark()),
    pickle.FROZENSET: lambda m: m._push(m._pop_to_mark()),
    pickle.APPEND: Machine._append,
    pickle.APPENDS: lambda m: m._extend(m._pop_to_mark()),
    pickle.ADDITEMS: lambda m: m._extend(m._pop_to_mark()),
    pickle.EMPTY_TUPLE: lambda m: m._push(()),
    pickle.TUPLE: lambda m: m._push(tuple(m._pop_to_mark())),
    pickle.TUPLE1: lambda m: m._tuple(1),
    pickle.TUPLE2: lambda m: m._tuple(2),
    pickle.TUPLE3: lambda m: m._tuple(3),
    pickle.EMPTY_DICT: lambda m: m._push({}),
    pickle.DICT: Machine._dictionary,
    pickle.SETITEM: Machine._set_item,
    pickle.SETITEMS: lambda m: m._set_items(m._pop_to_mark()),
    # What would call
    pickle.GLOBAL: Machine._global,
    pickle.STACK_GLOBAL: Machine._stack_global,
    pickle.REDUCE: Machine._reduce,
    pickle.NEWOBJ: Machine._reduce,
    pickle.NEWOBJ_EX: Machine._new_with_keywords,
    pickle.OBJ: Machine._object,
    pickle.INST: Machine._instance,
    pickle.BUILD: Machine._build,
    # What was there before
    pickle.PUT: lambda m: m._remember(m._digits(m._line())),
    pickle.BINPUT: lambda m: m._remember(m._number("<B")),
    pickle.LONG_BINPUT: lambda m: m._remember(m._number("<I")),
    pickle.MEMOIZE: lambda m: m._remember(len(m._memo)),
    pickle.GET: lambda m: m._recall(m._digits(m._line())),
    pickle.BINGET: lambda m: m._recall(m._number("<B")),
    pickle.LONG_BINGET: lambda m: m._recall(m._number("<I")),
    # The file as such
    pickle.PROTO: Machine._protocol,
    pickle.FRAME: lambda m: m._take(8),
    # What no file of networks needs
    pickle.PERSID: lambda m: m._reference(m._line().decode("utf-8")),
    pickle.BINPERSID: lambda m: m._reference(m._stack.pop()),
    pickle.EXT1: _EXTENSION,
    pickle.EXT2: _EXTENSION,
    pickle.EXT4: _EXTENSION,
    pickle.NEXT_BUFFER: _OUTSIDE,
    pickle.READONLY_BUFFER: _OUTSIDE,
}
_OPERATIONS = {opcode[0]: operation for opcode, operation in _BY_OPCODE.items()}
