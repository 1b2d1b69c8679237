"""Saving and restoring named parts: what does not fit is told from what is broken."""

import hashlib
import math
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from adavit.errors import UserError
from adavit.runs import checkpoint
from adavit.runs.checkpoint import (
    DoesNotFit,
    Stateful,
    load_checkpoint,
    restore,
    state_of,
)
from tests.checkpoints import save_checkpoint


class Broken:
    """A part with a mistake of ours in it."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def state_dict(self) -> dict[str, Any]:
        return {"count": 1}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        raise self.error("'NoneType' object has no attribute 'count'")


class Hostile:
    """What would run code when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.trace)!r}, 'w').close()",)


def parts(width: int = 3) -> dict[str, Stateful]:
    network = nn.Linear(2, width)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {"network": network, "optimizer": optimizer}


def test_what_was_saved_is_restored_to_the_bit(tmp_path: Path) -> None:
    before, after = parts(), parts()
    save_checkpoint(tmp_path / "checkpoint.pt", {"images": 5, **state_of(before)})
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    restore(after, state)
    assert state["images"] == 5
    for name, saved in before["network"].state_dict().items():
        assert torch.equal(after["network"].state_dict()[name], saved)
    moments = (part["optimizer"].state_dict()["state"][0]["exp_avg"] for part in (before, after))
    assert torch.equal(*moments)


@pytest.mark.parametrize("name", ["network", "optimizer"])
@pytest.mark.parametrize("state", ["missing", None, [1, 2], {}], ids=str)
def test_a_part_without_its_state_is_named(name: str, state: object) -> None:
    saved = state_of(parts())
    if state == "missing":
        del saved[name]
    else:
        saved[name] = state
    with pytest.raises(DoesNotFit, match=name):
        restore(parts(), saved)


def test_the_state_of_another_network_does_not_fit() -> None:
    with pytest.raises(DoesNotFit, match=r"network: network.*is \[.*expected \["):
        restore(parts(width=4), state_of(parts()))


class StepOutOfMemory(RuntimeError):
    """As torch raises it on a CPU."""

    def __str__(self) -> str:
        return "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8"


@pytest.mark.parametrize(
    "error", [AttributeError, TypeError, torch.OutOfMemoryError, StepOutOfMemory]
)
def test_a_mistake_of_ours_or_want_of_memory_is_not_taken_for_a_checkpoint_that_does_not_fit(
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        restore({"part": Broken(error)}, {"part": {"count": 1}})


def test_another_format_is_refused_with_both_numbers(tmp_path: Path) -> None:
    for found in (99, None):
        save_checkpoint(tmp_path / "a.pt", {"format": found})
        with pytest.raises(UserError, match=rf"has format {found}, expected {checkpoint.FORMAT}"):
            load_checkpoint(tmp_path / "a.pt")


def test_what_is_absent_or_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        load_checkpoint(tmp_path / "nothing.pt")
    save_checkpoint(tmp_path / "a.pt", {"progress": {"images": 8}})
    whole = (tmp_path / "a.pt").read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], whole[-78:], whole + b" "):
        (tmp_path / "a.pt").write_bytes(content)
        with pytest.raises(UserError, match="damaged or not a checkpoint"):
            load_checkpoint(tmp_path / "a.pt")


def test_a_checkpoint_with_code_in_it_is_refused_and_never_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "a.pt", tmp_path / "trace"
    save_checkpoint(path, {"progress": {"images": Hostile(trace)}})  # its digest is right
    with pytest.raises(UserError, match=r"damaged or not a checkpoint \(UnpicklingError\)"):
        load_checkpoint(path)
    assert not trace.exists()


def test_a_checkpoint_is_an_archive_that_torch_and_zip_read(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", {"weights": torch.arange(3)})
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    assert torch.equal(state["weights"], torch.arange(3))
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert archive.testzip() is None
        content = (tmp_path / "a.pt").read_bytes().removesuffix(archive.comment)
        assert archive.comment.decode() == f"adavit sha256 {hashlib.sha256(content).hexdigest()}"


def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"weights": torch.arange(5.0), "progress": {"images": 8}})
    whole = path.read_bytes()
    for byte in range(len(whole)):
        damaged = bytearray(whole)
        damaged[byte] ^= 1 << byte % 8
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged or not a checkpoint"):
            load_checkpoint(path)
    path.write_bytes(whole)
    assert load_checkpoint(path)["progress"] == {"images": 8}


def test_networks_that_are_no_numbers_are_refused_by_name(tmp_path: Path) -> None:
    weights = {"layer.weight": torch.tensor([1.0, math.nan])}
    save_checkpoint(tmp_path / "a.pt", {"window": {"best": math.inf}, "generator": weights})
    with pytest.raises(
        UserError, match=r"generator: 1 of 2 weights of layer\.weight are not finite"
    ):
        load_checkpoint(tmp_path / "a.pt")
