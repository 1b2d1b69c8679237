"""A thousand damaged and hostile pickles: no code runs, nothing but a `UserError` comes out, memory is bounded."""

import builtins
import itertools
import os
import pickle
import pickletools
import random
import resource
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adavit.errors import UserError
from adavit.importing.networks import read_networks
from tests.network_pickles import (
    Network,
    discriminator_state,
    dumped,
    generator_state,
    module_of,
    networks,
    tensorflow_networks,
)
from tests.references.odd_values import outcome

CASES = 1000
MOST_KIB = 200 * 1024
MOST_SECONDS = 5.0
"""Of a file of some KB, which takes some milliseconds; what is not bounded takes minutes."""

TARGETS = [
    "os\nsystem",
    "posix\nsystem",
    "nt\nsystem",
    "subprocess\nPopen",
    "builtins\neval",
    "builtins\nexec",
    "builtins\ngetattr",
    "builtins\n__import__",
    "builtins\nbytearray",
    "__builtin__\napply",
    "runpy\n_run_code",
    "importlib\nimport_module",
    "torch\nload",
    "torch.hub\nload",
    "torch_utils.persistence\n_reconstruct_persistent_obj",
    "torch.storage\n_load_from_bytes",
    "torch._utils\n_rebuild_tensor_v2",
    "numpy.core.multiarray\n_reconstruct",
    "numpy\nzeros",
    "dnnlib.tflib.network\nNetwork",
    "tests.adavit.importing.test_fuzz\nran",
]
CALLED: list[object] = []


def ran(*arguments: object) -> None:
    """What a pickle that is run would leave behind."""
    CALLED.append(arguments)


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def gadget(draw: random.Random) -> bytes:
    """A call of something dangerous, by any opcode that can call."""
    target = draw.choice(TARGETS)
    module, _, name = target.partition("\n")
    named = draw.choice(
        [f"c{target}\n".encode(), text(module) + text(name) + b"\x93"],
    )
    argument = draw.choice(
        [text("touch ran"), b"J\xff\xff\xff\x7f", b"N", b"\x8a\x05\xff\xff\xff\xff\x7f"]
    )
    forms = [
        named + argument + b"\x85R",
        named + b"(" + argument + b"tR",
        named + argument + b"\x85\x81",
        named + argument + b"\x85}\x92",
        b"(" + named + argument + b"o",
        b"(" + argument + f"i{target}\n".encode(),
        named + b")R" + argument + b"b",
        named + b")\x81}" + text("__setstate__") + named + b"sb",
        named + b")R(" + argument + b"e",
        named + b")R" + text("x") + argument + b"s",
        named + b")R" + named + b"\x85R",
    ]
    return draw.choice(forms)


def hostile(draw: random.Random, valid: list[bytes]) -> tuple[str, bytes]:
    """A kind of attack and a pickle of that kind."""
    kind = draw.choice(["flip", "cut", "gadget", "within", "swap", "bomb", "noise"])
    content = bytearray(draw.choice(valid))
    if kind == "flip":
        for _ in range(draw.choice([1, 3, 30])):
            content[draw.randrange(len(content))] = draw.randrange(256)
    elif kind == "cut":
        del content[draw.randrange(len(content)) :]
    elif kind == "gadget":
        head = draw.choice([b"", b"\x80\x02", b"\x80\x04\x95" + (1000).to_bytes(8, "little")])
        content = bytearray(head + gadget(draw) + b".")
    elif kind == "within":  # in the place of a value
        places = [at for at in range(2, len(content)) if content[at : at + 1] in b"N\x88\x89}"]
        at = draw.choice(places)
        content[at : at + 1] = gadget(draw)
    elif kind == "swap":  # names of the file are exchanged for others of the same length
        for old, new in (
            (b"torch.storage", b"torch.torrage"),
            (b"_rebuild_tensor_v2", b"_rebuild_sparse_te"),
        ):
            content = content.replace(old, new) if draw.random() < 0.5 else content
        start = draw.randrange(len(content))
        content[start : start + 8] = content[-8:]
    elif kind == "bomb":
        length = draw.choice([2**31 - 1, 2**32 - 1])
        opening = draw.choice([b"B", b"X", b"T", b"\x8b", b"r", b"j"])
        content = bytearray(b"N" + opening + length.to_bytes(4, "little") + content)
        if draw.random() < 0.3:
            content = bytearray(b")q\x00" + b"h\x00h\x00\x86q\x00" * 50 + b"}h\x00Ns.")
    else:
        content = bytearray(draw.randbytes(draw.randrange(1, 300)))
    return kind, bytes(content)


def test_a_thousand_hostile_pickles_run_nothing_and_end_in_an_error_or_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"resolution": 8, "channels": 2, "dim": 3}
    whole = networks(**small)
    del whole["G"]  # a third of the time
    valid = [
        *(dumped(whole, protocol) for protocol in (2, 3, 4)),
        dumped(
            tensorflow_networks(generator_state(**small), discriminator_state(8, channels=2)), 3
        ),
    ]
    monkeypatch.chdir(tmp_path)
    draw, path, longest = random.Random(0), tmp_path / "file.pkl", 0
    for content in valid:  # what torch imports late is imported now
        path.write_bytes(content)
        assert read_networks(path, "FILE ").average is not None

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("something of a pickle was run")

    for module, name in (
        *((os, "system"), (subprocess, "Popen"), (builtins, "eval"), (pickle, "loads")),
        *((pickle, "load"), (pickle, "Unpickler")),
    ):
        monkeypatch.setattr(module, name, refuse)
    outcomes: Counter[tuple[str, str]] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    imported = set(sys.modules)
    for _ in range(CASES):
        kind, content = hostile(draw, valid)
        path.write_bytes(content)
        try:
            read_networks(path, "FILE ")
            outcomes[kind, "read"] += 1
        except UserError as error:
            outcomes[kind, "refused"] += 1
            longest = max(longest, len(str(error)))
    told = ", ".join(f"{kind} {what} {count}" for (kind, what), count in sorted(outcomes.items()))
    print(told)
    assert sum(outcomes.values()) == CASES
    assert longest < 1500
    assert outcomes["gadget", "read"] == outcomes["noise", "read"] == 0
    assert outcomes["within", "read"] > 0  # a call beside the networks is not looked at
    assert not CALLED
    assert not list(tmp_path.glob("ran"))
    assert {"torch.hub", "torch_utils"} & set(sys.modules) <= imported
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KIB


SMALLEST = {"resolution": 4, "channels": 1, "dim": 1, "layers": 1}


def planted(value: bytes, where: bytes, content: bytes) -> bytes:
    """A pickle of protocol 2 or 3, which number the places of their memo, with something in the place of a value."""
    assert where in content
    return content.replace(where, value, 1)


def tensorflow_pickle(protocol: int = 3) -> bytes:
    made, judge = generator_state(**SMALLEST), discriminator_state(4, channels=1)
    return dumped(tensorflow_networks(made, judge), protocol)


def pytorch_pickle(protocol: int = 3, **discriminator: Any) -> bytes:
    whole = {
        "D": module_of(discriminator_state(8, channels=1), attributes={"b4.mbstd": discriminator}),
        "cur_nimg": np.int64(7),
    }
    return dumped(whole, protocol)


def within_itself(length: int) -> bytes:
    """A network of TensorFlow's with a component of a long name, which is the same network."""
    network = Network({"variables": [("x", 1)], "static_kwargs": {}})
    network.components = {"n" * length: network}
    return dumped({"G_ema": network}, 3)


def named_often(length: int) -> bytes:
    """A network of PyTorch's with a module of long names, under many names."""
    inner = module_of({f"{letter * length}": torch.ones(1) for letter in "abcdefghij"})
    outer = module_of({})
    outer.meta["state"]["_modules"] = {f"m{count}": inner for count in range(1900)}
    return dumped({"G_ema": outer}, 3)


def one_array_as_all_filters(numbers: int) -> bytes:
    """A network of many modules, of which each resamples with the same array."""
    array = np.zeros(numbers, "f2")
    inner = {f"m{count}": module_of({}) for count in range(1900)}
    for module in inner.values():
        module.meta["state"]["_buffers"] = {"resample_filter": array}
    outer = module_of({})
    outer.meta["state"]["_modules"] = inner
    return dumped({"G_ema": outer}, 3)


def one_storage_as_all_weights(layers: int, numbers: int) -> bytes:
    """A mapping network of layers of one number, which is the first of one storage for all of them."""
    network = module_of(generator_state(**{**SMALLEST, "layers": layers}))
    mapping = network.meta["state"]["_modules"]["mapping"].meta["state"]["_modules"]
    one = torch.nn.Parameter(torch.zeros(numbers)[:1])
    for layer in mapping.values():
        layer.meta["state"]["_parameters"] = {"weight": one, "bias": one}
    return dumped({"G_ema": network}, 3)


UNFOLDED = text("x") + b"2\x86" * 24
"""A tuple of one tuple twice, and so on: 55 bytes that are 2^24 texts when they are shown."""

NESTED = text("x") + b"\x85" * 3000

ODD = {
    "shared tuples": UNFOLDED,
    "nested tuples": NESTED,
    "a record of shared tuples": b"ca\nb\n" + UNFOLDED + b"\x85R",
    "long text": text("x" * 2**20),
    "a large number": b"\x8a\x40" + b"\x7f" * 64,
    "no number": b"G" + struct.pack(">d", float("nan")),
}
VALUE_OPCODES = {"BINUNICODE", "BININT1", "BININT", "NEWFALSE", "NEWTRUE", "NONE", "EMPTY_DICT"}


def test_whatever_stands_in_the_place_of_a_value_takes_little(tmp_path: Path) -> None:
    path, read, refused, draw = tmp_path / "file.pkl", 0, 0, random.Random(0)
    whole = pytorch_pickle(2, group_size=4)
    path.write_bytes(whole)
    read_networks(path, "FILE ")  # what torch imports late is imported now
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in (whole, tensorflow_pickle(2)):  # where bytes are text, and values too
        opcodes = [*pickletools.genops(content)]
        for (opcode, _, at), (_, _, end) in itertools.pairwise(opcodes):
            if opcode.name not in VALUE_OPCODES:
                continue
            what = draw.choice([*ODD])
            path.write_bytes(content[:at] + ODD[what] + content[end:])
            start = time.monotonic()
            _, refusal = outcome(lambda: read_networks(path, "FILE "))
            assert time.monotonic() - start < MOST_SECONDS, f"{what} at byte {at}"
            assert len(refusal) < 1500
            refused, read = refused + bool(refusal), read + (not refusal)
    assert refused > 100
    assert read > 50
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KIB


BOMBS: dict[str, Callable[[], tuple[bytes, str]]] = {
    "shared tuples as a kind of numbers": lambda: (
        planted(UNFOLDED, text("f4"), tensorflow_pickle()),
        "weights of a tuple of 2",
    ),
    "nested tuples as a kind of numbers": lambda: (
        planted(NESTED, text("f4"), tensorflow_pickle()),
        "weights of a tuple of 1",
    ),
    "shared tuples in a record": lambda: (
        planted(ODD["a record of shared tuples"], text("HERE"), pytorch_pickle(group_size="HERE")),
        r"taken over an object of 'a\.b' images",
    ),
    "a component within itself": lambda: (within_itself(4000), "name of 4,000 characters"),
    "a component within itself, of a short name": lambda: (
        within_itself(20),
        "name of 20. characters",
    ),
    "long names in a module of many names": lambda: (
        named_often(2**16),
        "name of 65,5.. characters",
    ),
    "one array as all filters": lambda: (
        one_array_as_all_filters(2**21),
        "an array of 4,194,304 bytes",
    ),
    "one storage as all weights": lambda: (
        one_storage_as_all_weights(300, 2**20),
        r"a storage of 4,194,\d{3} bytes",
    ),
    "places of a memo that have one hash": lambda: (
        b"N" + b"".join(b"p%d\n" % (count * (2**61 - 1)) for count in range(40_000)) + b".",
        "memo with the place",
    ),
}
"""What makes a file, and what is told of it."""


@pytest.mark.parametrize("what", BOMBS)
def test_a_small_file_takes_little_time_and_memory(what: str, tmp_path: Path) -> None:
    content, told = BOMBS[what]()
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(UserError, match=told):
        read_networks(path, "FILE ")
    assert time.monotonic() - start < MOST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KIB
