from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.errors import UserError
from adavit.runs import checkpoint
from adavit.runs.checkpoint import load_checkpoint, save_checkpoint

STATE: dict[str, Any] = {
    "weights": {"a": torch.arange(3.0)},
    "progress": {"images": 8, "best": None},
}


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", STATE)
    state = load_checkpoint(tmp_path / "a.pt")
    assert torch.equal(state["weights"]["a"], STATE["weights"]["a"])
    assert state["progress"] == STATE["progress"]


def test_the_one_before_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    save_checkpoint(tmp_path / "a.pt", STATE)
    monkeypatch.setattr(checkpoint, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path / "a.pt", {"progress": {"images": 16}})
    assert load_checkpoint(tmp_path / "a.pt")["progress"]["images"] == 8


def test_another_format_is_refused_with_both_numbers(tmp_path: Path) -> None:
    for value, found in (({"format": 99}, 99), ({}, None), ([1], None)):
        torch.save(value, tmp_path / "a.pt")
        with pytest.raises(UserError, match=rf"has format {found}, expected {checkpoint.FORMAT}"):
            load_checkpoint(tmp_path / "a.pt")


def test_what_is_absent_or_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        load_checkpoint(tmp_path / "nothing.pt")
    save_checkpoint(tmp_path / "a.pt", STATE)
    whole = (tmp_path / "a.pt").read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2]):
        (tmp_path / "a.pt").write_bytes(content)
        with pytest.raises(UserError, match="damaged or not a checkpoint"):
            load_checkpoint(tmp_path / "a.pt")
