import io
import pickle
import warnings
import zipfile
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adavit.importing.machine import Machine
from adavit.importing.records import Name, Record, UnreadablePickle
from adavit.importing.tensors import LARGEST_STORAGE_BYTES, bytes_of, is_array, number_of, tensor_of

DRAW = torch.Generator().manual_seed(0)
WHOLE = torch.randn((3, 5, 2), generator=DRAW)


def read(value: Any, protocol: int = 4) -> Any:
    return Machine(memoryview(pickle.dumps(value, protocol=protocol))).run()


@pytest.mark.parametrize(
    "tensor",
    [
        WHOLE,
        torch.nn.Parameter(WHOLE),
        WHOLE.transpose(0, 2)[1:, 2:4],
        WHOLE.half(),
        WHOLE.bfloat16(),
        WHOLE.double(),
        torch.tensor(2.5),
        torch.zeros(0, 3),
    ],
    ids=["whole", "parameter", "view", "half", "bfloat16", "double", "number", "empty"],
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_are_what_they_were(tensor: Tensor, protocol: int) -> None:
    found = tensor_of(read(tensor, protocol))
    torch.testing.assert_close(found, tensor.detach().float(), rtol=0, atol=0)
    assert found.dtype == torch.float32
    assert found.is_contiguous()


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_are_what_they_were(protocol: int) -> None:
    base = np.random.default_rng(0).normal(size=(3, 4, 2))
    arrays = [
        *(base, base.astype("f4"), base.astype("f2"), np.asfortranarray(base)),
        *(base.astype(">f4"), base[::2, 1::2], np.zeros(()), np.float32(3)),
    ]
    for array in arrays:
        value = read(array, protocol)
        np.testing.assert_array_equal(tensor_of(value).numpy(), np.asarray(array, "f4"))
    assert number_of(read(np.float64(1.5), protocol)) == 1.5
    assert number_of("1") is None
    assert is_array(read(base, protocol))
    assert not is_array(read([1], protocol))


def storage_of(*changes: tuple[bytes, bytes]) -> Record:
    """A storage of six numbers; `changes` are of its reference."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its storages
        torch.save(torch.arange(6).float().storage(), buffer, _use_new_zipfile_serialization=False)
    content = buffer.getvalue()
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    return Record(Name("torch.storage._load_from_bytes"), (memoryview(content),))


def tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Record:
    arguments = (storage, offset, size, stride, False, {})
    return Record(Name("torch._utils._rebuild_tensor_v2"), arguments)


def test_a_tensor_lies_within_its_storage() -> None:
    assert tensor_of(tensor(storage_of(), 1, (2, 2), (3, 1))).tolist() == [[1, 2], [4, 5]]
    wrong = [
        *((0, (7,), (1,)), (1, (6,), (1,)), (0, (2, 3), (4, 1)), (0, (2, 2), (5, 2))),
        *((7, (0,), (1,)), (0, (2**40,), (0,)), (0, (10**6, 10**6), (0, 0)), (5, (2,), (1,))),
    ]
    for offset, size, stride in wrong:
        with pytest.raises(UnreadablePickle, match="does not lie in its storage of 6 numbers"):
            tensor_of(tensor(storage_of(), offset, size, stride))
    odd: list[tuple[Any, Any, Any]] = [
        *((-1, (2,), (1,)), (0, (-2,), (1,)), (0, (2,), (-1,)), (0, (2,), (1.0,))),
        *((0, (True,), (1,)), (0, "ab", (1, 1)), (0, (1,) * 99, (1,) * 99), (2**70, (1,), (1,))),
    ]
    for offset, size, stride in odd:
        with pytest.raises(UnreadablePickle, match="a tensor has the"):
            tensor_of(tensor(storage_of(), offset, size, stride))
    with pytest.raises(UnreadablePickle, match="1 sizes and 2 strides"):
        tensor_of(tensor(storage_of(), 0, (2,), (1, 1)))
    with pytest.raises(UnreadablePickle, match="where a storage is expected"):
        tensor_of(tensor(7, 0, (2,), (1,)))


def archive_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
        archive.writestr("archive/data/0", bytes(2**24))
    return buffer.getvalue()


MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
DOUBLED = pickle.EMPTY_TUPLE + (pickle.DUP + pickle.TUPLE2) * 60
WITHIN = {
    "an archive": (archive_bomb(), "has not written as networks have it"),
    "something else": (MAGIC + pickle.dumps([1], 2) + pickle.dumps([], 2), "holds something else"),
    "memory of its own": (
        MAGIC
        + b"c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\x00\x10\x85R."
        + pickle.dumps([], 2),
        "holds something else",
    ),
    "memory of its own in what it says of the machine": (
        MAGIC.removesuffix(pickle.dumps({}, 2))
        + b"c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
        "holds something else",
    ),
    "two references": (
        MAGIC
        + b"NQ(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00aNK\x01NtQ."
        + pickle.dumps(["a"], 2),
        "holds something else",
    ),
    "keys that share their parts": (  # to compare the two takes 2^60 steps
        MAGIC
        + b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        + DOUBLED
        + b"X\x03\x00\x00\x00cpuK\x01NtQ."
        + b"]"
        + DOUBLED
        + b"a.",
        "part of another",
    ),
    "a call": (MAGIC + b"cos\nsystem\nX\x04\x00\x00\x00exit\x85R." + pickle.dumps([], 2), "holds"),
    "an extension": (MAGIC + b"\x82\x01.", "EXT"),
    "too many parts": (MAGIC + b"]" * 2000 + b".", "more than 1,000 parts"),
    "too little": (MAGIC, "cut"),
    "another beginning": (b"\x80\x02N.", "has not written"),
}


@pytest.mark.parametrize("what", WITHIN)
def test_within_a_storage_is_nothing_but_a_storage(what: str) -> None:
    content, told = WITHIN[what]
    storage = Record(Name("torch.storage._load_from_bytes"), (memoryview(content),))
    with pytest.raises(UnreadablePickle, match=told):
        tensor_of(tensor(storage, 0, (1,), (1,)))


def test_a_storage_has_the_length_and_the_numbers_that_it_says() -> None:
    huge = storage_of((b"K\x06N", b"J\xff\xff\xff\x7fN"))
    with pytest.raises(UnreadablePickle, match="24 bytes, but says 2147483647 numbers"):
        tensor_of(tensor(huge, 0, (1,), (1,)))
    whole = storage_of((b"FloatStorage", b"LongStorage"))
    with pytest.raises(UnreadablePickle, match=r"torch\.LongStorage.*not floating-point"):
        tensor_of(tensor(whole, 0, (1,), (1,)))
    part = storage_of((b"K\x06Nt", b"K\x06)t"))
    with pytest.raises(UnreadablePickle, match="part of another"):
        tensor_of(tensor(part, 0, (1,), (1,)))
    large = Record(
        Name("torch.storage._load_from_bytes"), (memoryview(bytes(LARGEST_STORAGE_BYTES + 1)),)
    )
    with pytest.raises(UnreadablePickle, match="storage of 268,435,457 bytes"):
        tensor_of(tensor(large, 0, (1,), (1,)))
    elsewhere = storage_of((b"\x03\x00\x00\x00cpu", b"\x06\x00\x00\x00cuda:0"))
    assert tensor_of(tensor(elsewhere, 1, (1,), (1,))).tolist() == [1]


def test_arrays_have_the_bytes_that_they_say() -> None:
    value = read(np.zeros((2, 3), "f4"))
    version, _, dtype, order, content = value.state
    value.state = (version, (2**20, 2**20), dtype, order, content)
    with pytest.raises(
        UnreadablePickle, match=r"an array of shape \[1048576, 1048576\] has 24 bytes"
    ):
        tensor_of(value)
    value.state = (version, (6,), 7, order, content)
    with pytest.raises(UnreadablePickle, match="kind of numbers is expected"):
        tensor_of(value)
    value.state = None
    with pytest.raises(UnreadablePickle, match="says too little"):
        tensor_of(value)
    with pytest.raises(UnreadablePickle, match="'i8', which are not floating-point numbers"):
        tensor_of(read(np.zeros(3, "i8")))
    for protocol in (2, 4, 5):  # which have arrays of their own
        with pytest.raises(UnreadablePickle, match="an array of 24 bytes"):
            tensor_of(read(np.zeros((2, 3), "f4"), protocol), most_bytes=23)
    for nothing in (None, "text", {}, read([1])):
        with pytest.raises(UnreadablePickle, match="where weights are expected"):
            tensor_of(nothing)
    with pytest.raises(UnreadablePickle, match="where bytes are expected"):
        bytes_of(7)
