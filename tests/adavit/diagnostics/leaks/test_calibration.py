"""Probes whose errors are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from adavit.diagnostics.leaks import calibration, probe
from adavit.diagnostics.leaks.calibration import Parts, calibrate, divide
from adavit.diagnostics.leaks.operations import operations_by_name
from adavit.diagnostics.leaks.rates import Confusion
from adavit.errors import UserError
from tests.adavit.diagnostics.leaks.real_images import half_dark, material, numbers

CPU = torch.device("cpu")


def test_the_parts_are_disjoint_and_take_unseen_images_for_control_and_test_first() -> None:
    source = material(100, 60)
    parts = divide(source, 0)
    control, test, training = numbers(parts.control), numbers(parts.test), numbers(parts.training)
    assert (len(control), len(test), len(training)) == (20, 30, 50)
    assert control | test | training == set(range(100))
    unseen = set(source.unseen.tolist())
    assert control < unseen
    assert unseen < control | test
    assert numbers(divide(source, 1).control) != control


@pytest.mark.parametrize("mirror", [False, True])
def test_of_copies_one_takes_part(mirror: bool) -> None:
    source = material(50, 30, mirror=mirror)
    second = source.real.images[..., ::-1] if mirror else source.real.images
    images = np.concatenate([source.real.images, second])
    twice = replace(
        source,
        real=replace(source.real, images=images),
        train=np.concatenate([source.train, source.train + 50]),
        unseen=np.concatenate([source.unseen, source.unseen + 50]),
    )
    parts = divide(twice, 0)
    each = [numbers(part) for part in (parts.control, parts.test, parts.training)]
    assert [len(part) for part in each] == [10, 15, 25]
    assert set.union(*each) == set(range(50))
    few = replace(source.real, images=np.concatenate([source.real.images[:10]] * 5))
    with pytest.raises(UserError, match="the data have 10 different images"):
        divide(replace(source, real=few), 0)


def test_large_parts_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "PART_LIMIT", 7)
    monkeypatch.setattr(calibration, "TRAINING_LIMIT", 9)
    parts = divide(material(100, 60), 0)
    assert [len(part) for part in (parts.control, parts.test, parts.training)] == [7, 7, 9]


def test_flips_of_the_data_are_in_all_parts() -> None:
    for mirror in (False, True):
        parts = divide(material(100, 60, mirror=mirror), 0)
        for part in (parts.control, parts.test, parts.training):
            flipped = (part[..., 0] == 255).flatten(1).any(1).double().mean()
            assert (0.2 < flipped < 0.8) == mirror


def test_too_few_real_images_are_refused() -> None:
    with pytest.raises(UserError, match="at least 20"):
        divide(material(19, 19), 0)


def test_confusion_of_a_probe_is_measured_on_images_that_can_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "STEPS", 1)
    test = half_dark(40, 1)
    test[:10] = 50
    parts = Parts(half_dark(30, 2), test, half_dark(5, 3))
    calibrated = calibrate(operations_by_name(["xflip"])[0], parts, seed=0, device=CPU)
    assert calibrated is not None
    assert isinstance(calibrated.confusion, Confusion)
    assert len(calibrated.confusion.alarms) == len(calibrated.confusion.hits) == 30
