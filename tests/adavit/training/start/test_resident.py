"""Where the images of a run are."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.runtime.resolution import Resolution
from adavit.training.start import resident
from adavit.training.start.footprint import expected_bytes, most_bytes
from adavit.training.start.resident import Residence, told_of_absent

GB = 10**9
CONFIG = resolve(
    build_config([{"generator": {"channel_max": 8}, "discriminator": {"channel_max": 8}}]),
    RunFacts(resolution=Resolution.of(16), training_images=10, device="cuda"),
)
STEP = expected_bytes(CONFIG, torch.device("cuda"))


def workload(images: int, device: str = "cuda") -> Any:
    """Of so many images of 1 MB each, one in five held out."""
    pixels = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (images, 1, 1000, 1000))
    split = SimpleNamespace(train=range(images - images // 5), heldout=range(images // 5))
    return SimpleNamespace(
        image_set=SimpleNamespace(images=pixels),
        split=split,
        device=torch.device(device),
        config=CONFIG,
    )


@pytest.mark.parametrize(
    ("images", "free", "kept"),
    [
        (4000, 15 * GB, True),  # a quarter of 16 GB
        (4001, 15 * GB, False),
        (13_000, 15 * GB, False),  # they would leave no room
        (100, STEP + GB // 10, True),  # what a step is expected to need is left
        (100, STEP + GB // 10 - 1, False),
        (1, STEP - 1, False),
    ],
)
def test_images_lie_on_the_device_where_they_leave_room(
    monkeypatch: pytest.MonkeyPatch, images: int, free: int, kept: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 16 * GB))
    found = Residence.of(workload(images))
    assert found.images == images * 10**6
    assert found.on_device is kept
    assert ("on the device" in found.told()) is kept
    assert ("read from the disk batch by batch" in found.told()) is not kept


def test_a_step_is_counted_only_where_room_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    monkeypatch.setattr(resident, "expected_bytes", lambda *given: counted.append(given) or STEP)
    free = most_bytes(CONFIG) + 10**8
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 100 * free))
    assert Residence.of(workload(100)).on_device
    assert counted == []
    assert Residence.of(workload(101)).on_device  # STEP is much less
    assert counted == [(CONFIG, torch.device("cuda"))]


@pytest.mark.parametrize("images", [100, 4000])
def test_a_device_that_is_not_here_is_told_the_size_that_would_hold_them(
    images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(resident, "size", lambda count: told.append(count) or str(count))
    before = GB // 2
    text = told_of_absent(workload(images), before)
    shown, least = told
    assert text.startswith(f"{images * 10**6}, on a device of {least} or more, else")
    assert shown == images * 10**6
    for total, kept in ((least, True), (least - 4, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, t=total: (t - before, t))
        assert Residence.of(workload(images)).on_device is kept


def test_the_plan_says_how_much_may_be_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (15 * GB, 16 * GB))
    assert Residence.of(workload(13_000)).told() == (
        "13 GB, read from the disk batch by batch: 4 GB of the device may be theirs (at most 25% of it, and"
        " what steps leave)"
    )


def test_on_a_cpu_they_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "expected_bytes", lambda *_: pytest.fail("nothing is counted"))
    found = Residence.of(workload(10, "cpu"))
    assert not found.on_device
    assert found.told() == ""
    assert not replace(found, room=0).on_device
