"""From what a pickle says of a tensor or an array to a tensor, built here and held against the bytes that it has."""

import contextlib
import io
import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.importing.machine import Machine
from adavit.importing.records import Name, Record, UnreadablePickle, described

LARGEST_STORAGE_BYTES = 2**28
"""Of one tensor; the largest of published networks have 17 MB."""

_SPARE = 4
"""A storage may be so many times as large as its tensor in 64 bits, and small ones larger."""

_MOST_OPERATIONS = 1000
"""Opcodes of a pickle within a storage, which has some dozen."""

MOST_AXES = 8

_PARAMETERS = {
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.nn.parameter.Parameter",
}
_TENSORS = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
_STORAGE = "torch.storage._load_from_bytes"
_ARRAYS = {f"{package}.multiarray._reconstruct" for package in ("numpy.core", "numpy._core")}
_FLAT_ARRAYS = {f"{package}.numeric._frombuffer" for package in ("numpy.core", "numpy._core")}
_SCALARS = {f"{package}.multiarray.scalar" for package in ("numpy.core", "numpy._core")}

_ITEM_BYTES = {
    "DoubleStorage": 8,
    "FloatStorage": 4,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
}
"""Kinds of numbers that weights are, with the bytes of one."""

_FLOATS = ("f2", "f4", "f8")
_COUNTS = ("i4", "i8", "u4", "u8")

_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first of the pickles of a storage, as torch has always written them."""


def tensor_of(value: Any, most_bytes: int = LARGEST_STORAGE_BYTES) -> Tensor:
    """A tensor of floating-point numbers, in float32, with memory of its own.

    Args:
        value: As `Machine` has read it: of a parameter, a tensor, a NumPy array, or a number.
        most_bytes: That the storage of a tensor, or the content of an array, may have.

    Raises:
        UnreadablePickle: If it is none of these, or says what its bytes do not hold.
    """
    if isinstance(value, int | float):
        return torch.tensor(float(value))
    if isinstance(value, Record) and value.name in _PARAMETERS and value.arguments:
        value = value.arguments[0]
    name = value.name if isinstance(value, Record) else ""
    try:
        if name in _TENSORS:
            return _view(*value.arguments[:4], most_bytes=most_bytes)
        if name in _ARRAYS:
            _, shape, dtype, fortran, content = value.state
            return _from_array(
                _array(content, dtype, shape, "F" if fortran else "C", most_bytes=most_bytes)
            )
        if name in _FLAT_ARRAYS:
            content, dtype, shape, order = value.arguments
            return _from_array(_array(content, dtype, shape, order, most_bytes=most_bytes))
        if name in _SCALARS:
            dtype, content = value.arguments
            return _from_array(_array(content, dtype, (), "C"))
    except (TypeError, ValueError, LookupError) as error:
        if isinstance(error, UnreadablePickle):
            raise
        raise UnreadablePickle(f"it is damaged: {described(value)} says too little") from None
    raise UnreadablePickle(f"it has {described(value)} where weights are expected")


def number_of(value: Any) -> Any:
    """A plain number as it is; NumPy's as a plain one; None for anything else."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, Record) and value.name in _SCALARS and len(value.arguments) == 2:
        dtype, content = value.arguments
        with contextlib.suppress(ValueError):  # such as text that is no bytes
            return _array(content, dtype, (), "C", kinds=(*_FLOATS, *_COUNTS)).item()
    return None


def is_array(value: Any) -> bool:
    """Whether a value is said to be a tensor or an array."""
    kinds = _PARAMETERS | _TENSORS | _ARRAYS | _FLAT_ARRAYS
    return isinstance(value, Record) and value.name in kinds


def bytes_of(value: Any) -> memoryview:
    """Bytes of a pickle; those of protocol 2 are text that is to be encoded.

    Raises:
        UnreadablePickle: If it is neither.
    """
    if isinstance(value, Record) and value.name == "_codecs.encode" and value.arguments:
        text = value.arguments[0]
        if isinstance(text, memoryview):  # one that was left as it is
            text = str(text, "utf-8")
        value = memoryview(text.encode("latin-1")) if isinstance(text, str) else text
    if not isinstance(value, memoryview):
        raise UnreadablePickle(f"it has {described(value)} where bytes are expected")
    return value


def _view(storage: Any, offset: Any, size: Any, stride: Any, *, most_bytes: int) -> Tensor:
    """A tensor within a storage; nothing but that of what lies within it."""
    sizes, strides = _naturals(size, "size"), _naturals(stride, "stride")
    (first,) = _naturals((offset,), "offset")
    if len(sizes) != len(strides):
        raise UnreadablePickle(f"a tensor has {len(sizes)} sizes and {len(strides)} strides")
    if not isinstance(storage, Record) or storage.name != _STORAGE:
        raise UnreadablePickle(f"it has {described(storage)} where a storage is expected")
    count = math.prod(sizes)
    # Thousands of tensors of one number can have one large storage, which is read for each of them.
    most_bytes = min(most_bytes, _SPARE * (8 * count + 2**14))
    flat = _storage(bytes_of(storage.arguments[0]), most_bytes)
    last = first + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    # Strides of 0 would make much of little.
    if count > len(flat) or (count and last >= len(flat)) or first > len(flat):
        raise UnreadablePickle(
            f"a tensor of size {list(sizes)}, stride {list(strides)} and offset {first} does not lie in its storage of"
            f" {len(flat)} numbers"
        )
    return torch.as_strided(flat, sizes, strides, first).to(torch.float32, copy=True).contiguous()


def _storage(content: memoryview, most_bytes: int) -> Tensor:
    """The numbers of a storage, as one axis.

    What torch reads of such a stream could ask for any amount of memory: nothing but a storage of the announced length
    may be in it.
    """
    if len(content) > most_bytes:
        raise UnreadablePickle(f"it has a storage of {len(content):,} bytes")
    if bytes(content[: len(_MAGIC)]) != _MAGIC:
        raise UnreadablePickle(
            "it has a storage that torch.save has not written as networks have it"
        )
    at, parts, references = len(_MAGIC), [], 0
    for _ in range(4):  # version, machine, the storage, and its key again
        machine = Machine(content, at, most=_MOST_OPERATIONS, of_storage=True)
        parts.append(machine.run())
        at, references = machine.at, references + machine.references
    reference = parts[2]
    described_as: Any = reference.arguments[0] if isinstance(reference, Record) else ()
    plain = isinstance(described_as, tuple) and len(described_as) in (5, 6) and references == 1
    if not plain or reference.function is not Machine.PERSISTENT or described_as[0] != "storage":
        raise UnreadablePickle("it has a storage that holds something else")
    kind, key, count = described_as[1], described_as[2], described_as[4]
    item = _ITEM_BYTES.get(kind.text.rpartition(".")[2] if isinstance(kind, Name) else "")
    if item is None:
        raise UnreadablePickle(
            f"it has weights of {described(kind)}, which are not floating-point numbers"
        )
    # The key's kind comes first: tuples that share their parts could be compared for ever.
    if not isinstance(key, str) or parts[3] != [key] or described_as[5:] not in ((), (None,)):
        raise UnreadablePickle("it has a storage that is a part of another")
    (length,) = _naturals((count,), "length")
    if len(content) - at != 8 + length * item:
        raise UnreadablePickle(
            f"it has a storage of {len(content) - at - 8} bytes, but says {length} numbers"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's storages are deprecated, its files are not
        try:
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            return torch.tensor([], dtype=loaded.dtype).set_(loaded.untyped())
        except Exception as error:  # noqa: BLE001  torch has no one class for what it cannot read
            raise UnreadablePickle(
                f"it has a storage that torch cannot read ({type(error).__name__})"
            ) from None


def _array(
    content: Any,
    dtype: Any,
    shape: Any,
    order: Any,
    *,
    kinds: tuple[str, ...] = _FLOATS,
    most_bytes: int = LARGEST_STORAGE_BYTES,
) -> np.ndarray:
    """An array of numbers on bytes of the file."""
    if not isinstance(dtype, Record) or dtype.name != "numpy.dtype":
        raise UnreadablePickle(f"it has {described(dtype)} where a kind of numbers is expected")
    given = dtype.arguments[0] if dtype.arguments else None
    # Text alone is looked into: tuples that share their parts unfold without end when they are shown.
    kind = given.lstrip("<=|") if isinstance(given, str) else None
    if kind is None or kind not in kinds:
        raise UnreadablePickle(
            f"it has weights of {described(given)}, which are not floating-point numbers"
        )
    swapped = isinstance(dtype.state, tuple) and dtype.state[1:2] == (">",)
    sizes, data = _naturals(shape, "shape"), bytes_of(content)
    if len(data) > most_bytes:
        raise UnreadablePickle(f"it has an array of {len(data):,} bytes")
    if math.prod(sizes) * int(kind[1]) != len(data):
        raise UnreadablePickle(f"an array of shape {list(sizes)} has {len(data)} bytes")
    found = np.frombuffer(data, dtype=np.dtype((">" if swapped else "<") + kind))
    return found.reshape(sizes, order="F" if order == "F" else "C")


def _from_array(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))


def _naturals(values: Any, what: str) -> tuple[int, ...]:
    known = isinstance(values, tuple | list) and len(values) <= MOST_AXES
    if not known or not all(type(each) is int and 0 <= each < 2**48 for each in values):
        raise UnreadablePickle(f"a tensor has the {what} {described(values)}")
    return tuple(values)
