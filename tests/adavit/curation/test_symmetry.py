import numpy as np
import pytest
import torch

from adavit.curation.symmetry import (
    SymmetryTest,
    find_symmetries,
    prepared,
    switched_off,
)
from tests.adavit.curation.conftest import arrows, blobs


def test_a_set_that_is_symmetric_by_construction_is_told_apart_by_nothing() -> None:
    found = find_symmetries(blobs(200, side=16), np.arange(200))
    assert [each.key for each in found] == ["xflip", "rotate90", "rotate", "hue", "lumaflip"]
    assert all(each.verdict != "told apart" for each in found), found
    assert all(each.low < 0.5 < each.high for each in found), found
    assert switched_off(found) == ""


def test_arrows_are_told_from_their_mirror_images_and_say_what_to_switch_off() -> None:
    found = find_symmetries(arrows(100), np.arange(100))
    told = [each.key for each in found if each.verdict == "told apart"]
    assert {"xflip", "rotate90", "hue"} <= set(told)
    assert switched_off(found).startswith("--set augment.xflip=0 --set augment.rotate90=0")


def test_copies_are_not_learnt_by_heart() -> None:
    # Each image beside its mirror image: the set is symmetric, and who had seen one would know the other.
    images = blobs(60, seed=3)
    images[30:] = images[:30, :, :, ::-1]
    groups = np.tile(np.arange(30), 2)
    xflip, *_ = find_symmetries(images, groups)
    assert (xflip.key, xflip.accuracy) == ("xflip", pytest.approx(0.5))


def test_copies_are_one_trial_together() -> None:
    base = find_symmetries(blobs(25, side=16), np.arange(25))
    copied = find_symmetries(np.repeat(blobs(25, side=16), 40, 0), np.repeat(np.arange(25), 40))
    assert {each.images for each in copied} == {25}
    assert {each.verdict for each in copied} == {"cannot be told"}
    for one, other in zip(base, copied, strict=True):
        assert other.high - other.low == pytest.approx(one.high - one.low, abs=0.02)


def test_few_images_leave_it_open() -> None:
    xflip, *_ = find_symmetries(blobs(24), np.arange(24))
    assert (xflip.key, xflip.verdict) == ("xflip", "cannot be told")
    assert find_symmetries(blobs(24), np.repeat(np.arange(8), 3)) == []


def test_grey_images_have_no_hue_and_a_seed_gives_the_same_again() -> None:
    grey = blobs(30, side=16)[:, :1]
    first = find_symmetries(grey, np.arange(30))
    assert "hue" not in [each.key for each in first]
    assert first == find_symmetries(grey, np.arange(30))


def test_the_verdict_follows_the_interval() -> None:
    def verdict(low: float, high: float) -> str:
        return SymmetryTest("hue", "", 100, (low + high) / 2, low, high).verdict

    assert verdict(0.61, 0.7) == "told apart"
    assert verdict(0.45, 0.59) == "not told apart"
    assert verdict(0.55, 0.65) == "cannot be told"


def test_the_probe_sees_squares_and_transparency_as_mid_grey() -> None:
    images = np.zeros((2, 4, 20, 40), np.uint8)
    images[:, :3] = 255
    images[:, 3, :, 20:] = 255
    seen = prepared(images, np.array([0, 1]))
    assert seen.shape == (2, 3, 20, 20)
    torch.testing.assert_close(seen[0, :, :, :10], torch.zeros(3, 20, 10))
    torch.testing.assert_close(seen[0, :, :, 10:], torch.ones(3, 20, 10))
