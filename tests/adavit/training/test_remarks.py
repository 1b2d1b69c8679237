from typing import Any

import pytest
import torch
from torch import nn

from adavit.augment import FixedProbability, OverfittingStatistics
from adavit.runtime.core_share import LOOKED_AT_S, CoreShare
from adavit.training import remarks
from adavit.training.remarks import Remarks
from adavit.watch.alarms import Alarm

LOST = Alarm("lost", "it is lost")


class Alarming(FixedProbability):
    def alarms(self) -> dict[str, str]:
        return {"p": "p is stuck"}


def seen(real: int) -> OverfittingStatistics:
    """Of so many images, all of which look less real than as many generated ones."""
    statistics = OverfittingStatistics()
    statistics.observe(train=torch.zeros(real), generated=torch.ones(real))
    return statistics


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    given: list[dict[str, float]] = []

    def alarms(network: nn.Module, images: torch.Tensor, **losing: float) -> list[Any]:
        given.append(losing)
        return [LOST]

    monkeypatch.setattr(remarks, "training_alarms", alarms)
    return given


def test_each_thing_is_said_once(found: list[dict[str, float]]) -> None:
    cores = CoreShare(torch.device("cpu"), threads=1)
    said = Remarks(nn.Identity(), torch.zeros(1, 3, 4, 4), 100, Alarming(0.5), cores)
    assert said.at_report(seen(20)) == ["Warning: p is stuck", "Warning: it is lost"]
    assert said.at_report(seen(30)) == []
    assert found == [{"r_relative": -1.0, "real": count, "generated": count} for count in (20, 30)]


@pytest.mark.parametrize(("training_images", "alarms"), [(3, 0), (250, 1)])
def test_images_that_come_again_do_not_count_twice(training_images: int, alarms: int) -> None:
    cores = CoreShare(torch.device("cpu"), threads=1)
    watched, p = torch.zeros(1, 3, 4, 4), FixedProbability(0.5)
    said = Remarks(nn.Identity(), watched, training_images, p, cores)
    assert len(said.at_report(seen(250))) == alarms


@pytest.mark.usefixtures("found")
def test_busy_cores_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    cores = CoreShare(torch.device("cpu"), threads=2)
    cores.stepped(LOOKED_AT_S, 0.1)
    said = Remarks(nn.Identity(), torch.zeros(1, 3, 4, 4), 100, FixedProbability(0.5), cores)
    first, *others = said.at_report(seen(1))
    assert "OMP_NUM_THREADS=1" in first
    assert others == ["Warning: it is lost"]
