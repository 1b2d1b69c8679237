from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.features.names import NamedBy
from adavit.features.weights import Weights
from adavit.metrics.extractors.weight_files import HashedFile


def test_what_is_read_is_checked_against_a_network_but_for_what_nothing_depends_on(
    tmp_path: Path,
) -> None:
    state = {"a": torch.ones(2, 3), "bn.count": torch.tensor(7)}
    torch.save(state, tmp_path / "w.pth")
    weights = Weights.read(HashedFile(tmp_path / "w.pth"), "x", "the weights of x")
    assert weights.tensors["bn.count"] == 7
    weights.check({"a": torch.zeros(2, 3)}, apart_from="count")
    with pytest.raises(UserError, match=r"^--features x has a of shape \(2, 3\).*weights of x"):
        weights.check({"a": torch.zeros(3, 2)}, apart_from="count")
    with pytest.raises(UserError, match=r"1 unknown ones.*or leave --features out"):
        weights.check({"a": torch.zeros(2, 3)}, apart_from="nothing")


def test_messages_name_the_setting_that_asked_and_its_remedy(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "w.pth")
    (tmp_path / "text.pth").write_text("hello")
    named_by = NamedBy("--set a.key=", "leave a.weight out")
    with pytest.raises(UserError, match=r"^--set a\.key=x is empty .*, or leave a\.weight out\.$"):
        Weights.read(HashedFile(tmp_path / "text.pth"), "x", "weights", named_by)
    weights = Weights.read(HashedFile(tmp_path / "w.pth"), "x", "weights", named_by)
    with pytest.raises(UserError, match=r"^--set a\.key=x lacks .*, or leave a\.weight out\.$"):
        weights.check({"b": torch.ones(2)}, apart_from="count")
    assert str(weights.unfit("is odd")).endswith("Give such a file, or leave a.weight out.")


def test_a_fault_is_told_with_the_remedy() -> None:
    told = str(Weights({}, "--features x", "the weights of x").unfit("is empty"))
    assert told == (
        "--features x is empty, but must be the weights of x, tensors by name. Give such a file, or"
        " leave --features out."
    )
