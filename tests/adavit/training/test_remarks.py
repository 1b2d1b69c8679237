from typing import Any

import pytest
import torch
from torch import nn

from adavit.augment import FixedProbability
from adavit.runtime.core_share import LOOKED_AT_S, CoreShare
from adavit.training import remarks
from adavit.training.remarks import Remarks
from adavit.watch.alarms import Alarm

LOST = Alarm("lost", "it is lost")


class Alarming(FixedProbability):
    def alarms(self) -> dict[str, str]:
        return {"p": "p is stuck"}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    given: list[float] = []

    def alarms(network: nn.Module, images: torch.Tensor, *, r_relative: float) -> list[Any]:
        given.append(r_relative)
        return [LOST]

    monkeypatch.setattr(remarks, "training_alarms", alarms)
    return given


def test_each_thing_is_said_once(found: list[float]) -> None:
    cores = CoreShare(torch.device("cpu"), threads=1)
    said = Remarks(nn.Identity(), torch.zeros(1, 3, 4, 4), Alarming(0.5), cores)
    assert said.at_report(0.25) == ["Warning: p is stuck", "Warning: it is lost"]
    assert said.at_report(0.5) == []
    assert found == [0.25, 0.5]


@pytest.mark.usefixtures("found")
def test_busy_cores_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    cores = CoreShare(torch.device("cpu"), threads=2)
    cores.stepped(LOOKED_AT_S, 0.1)
    said = Remarks(nn.Identity(), torch.zeros(1, 3, 4, 4), FixedProbability(0.5), cores)
    first, *others = said.at_report(0.0)
    assert "OMP_NUM_THREADS=1" in first
    assert others == ["Warning: it is lost"]
