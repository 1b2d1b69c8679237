"""Two devices of different size: what is said where the smaller one cannot hold its share."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from adavit.cli.main import main
from adavit.runtime.place import Place
from adavit.runtime.world import Together
from tests.adavit.conftest import draw_pictures
from tests.processes import launched
from tests.standin import device as standin

pytestmark = pytest.mark.gpu

STEPS = "--data pictures --preset smoke --batch 16 --device cuda --extractor random --fakes 20 --out run"


def gathered_by_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """gloo stands for nccl, and does not know the device."""
    gather, exchange = Together.gather, Together.exchange
    monkeypatch.setattr(
        Together,
        "gather",
        lambda world, value: [each.to(value.device) for each in gather(world, value.cpu())],
    )

    def exchanged(world: Together, value: Tensor) -> Tensor:
        return exchange(world, value.cpu()).to(value.device)

    monkeypatch.setattr(Together, "exchange", exchanged)


@pytest.fixture
def train(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], None], str], str]:
    """Trains on two, of which the second is small, until that fails; returns what is said."""
    draw_pictures(Path("pictures"))
    gathered_by_the_host(monkeypatch)

    def trained(shrink: Callable[[], None], settings: str) -> str:
        words = [*STEPS.split(), *settings.split()]
        monkeypatch.setattr("sys.argv", ["adavit", "train", *words])

        def work() -> None:
            if Place.here().rank == 1:
                shrink()
            main()

        ended = launched(2, work)
        assert [each.code for each in ended] == [1, 1]
        (text,) = [each.errors for each in ended if each.errors]
        who = rf"Error: rank 1 of 2 \(process {ended[1].process} on [\w.-]+, {device.type}:1 of "
        assert re.match(who, text), text
        return text.partition("): ")[2]

    return trained


def test_what_cannot_fit_is_told_before_anything_is_made(
    train: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = "--set generator.channel_base=16384 --set generator.channel_max=256 --resolution 64"
    small = partial(monkeypatch.setattr, standin, "TOTAL_BYTES", 200 * 2**20)
    said = re.match(
        r"out of memory: training on a microbatch of 8 images of 64 px or more needs about [5-9]\d\d MB, but 210 MB are"
        r" free\. Expected room for one microbatch\. Use a smaller --microbatch or [^\n]*\n$",
        text := train(small, wide),
    )
    assert said, text
    assert not Path("run").exists()


def test_what_runs_out_in_a_step_is_told_by_its_process(train: Callable[..., str]) -> None:
    text = train(partial(torch.ops.standin.limit, 2**20), "")
    assert text.startswith("out of memory. Expected room for what the command holds at a time;")
    assert "A smaller --microbatch or --batch" in text
    assert text.count("\n") == 1
