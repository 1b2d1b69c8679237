from typing import Any

import numpy as np
import pytest
import torch

from adavit.augment import AugmentPipe
from adavit.augment.settings import OPERATIONS
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import ResolvedConfig
from adavit.data import images_to_float, images_to_uint8
from adavit.diagnostics.leaks import operations
from adavit.diagnostics.leaks.operations import (
    Operation,
    operations_by_name,
    operations_of_config,
    operations_of_preset,
)
from adavit.errors import UserError
from adavit.runtime.resolution import Resolution
from tests.adavit.diagnostics.conftest import random_images

FACTS = RunFacts(resolution=Resolution.of(16), training_images=100, device="cpu")


def operation(name: str) -> Operation:
    return operations_by_name([name])[0]


def resolved(**sections: Any) -> ResolvedConfig:
    return resolve(build_config([sections]), FACTS)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_mirror_always_mirrors() -> None:
    images = random_images(40)
    before = images.clone()
    operated, shown = operation("xflip").apply(images, stream())
    assert torch.equal(operated, images.flip(-1))
    assert shown.all()
    assert torch.equal(images, before)


def test_so_many_pixels_as_fit_are_changed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    images, sizes = random_images(40), []
    mirror = operation("xflip")
    monkeypatch.setattr(operations, "PIXELS_PER_CALL", 7 * images[0, 0].numel() + 1)

    def noted(images: torch.Tensor, **arguments: Any) -> torch.Tensor:
        sizes.append(len(images))
        return mirror.pipe(images, **arguments)

    pipe: Any = noted
    operated, shown = Operation("xflip", pipe).apply(images, stream())
    assert torch.equal(operated, images.flip(-1))
    assert shown.all()
    assert max(sizes) == 7


def test_quarter_turns_are_never_by_none_and_the_others_are_equally_likely() -> None:
    images = random_images(600)
    operated, shown = operation("rotate90").apply(images, stream())
    assert shown.all()
    turned = [(operated == images.rot90(turns, (2, 3))).flatten(1).all(1) for turns in (1, 2, 3)]
    assert torch.stack(turned).sum(0).eq(1).all()
    # 200 each, standard deviation 11.5.
    assert all(154 < int(each.sum()) < 246 for each in turned)


def test_continuous_strengths_are_those_of_the_pipe() -> None:
    images = torch.full((4000, 1, 4, 4), 128, dtype=torch.uint8)
    operated, shown = operation("brightness").apply(images, stream())
    shift = (images_to_float(operated) - images_to_float(images))[:, 0, 0, 0]
    # Normal with standard deviation .2, of which the draws below half a level were drawn again.
    assert shift.abs().min() > 0.5 / 127.5 - 1e-6
    assert float(shift.std()) == pytest.approx(0.2, rel=0.05)
    assert shown.all()


def test_images_that_cannot_change_are_returned_and_said_to_be_unchanged() -> None:
    images = random_images(6)
    images[1] = 77
    operated, shown = operation("rotate").apply(images, stream())
    assert shown.tolist() == [True, False, True, True, True, True]
    assert torch.equal(operated[1], images[1])


@pytest.mark.parametrize("name", ["hue", "saturation"])
def test_grey_images_have_no_colour_to_change(name: str) -> None:
    _, shown = operation(name).apply(random_images(5, channels=1), stream())
    assert not shown.any()


def test_colours_that_are_not_seen_are_no_change() -> None:
    images = random_images(5, channels=4)
    images[:, 3] = 0
    _, shown = operation("hue").apply(images, stream())
    assert not shown.any()


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_shows_and_follows_its_seed(name: str) -> None:
    images = random_images(8, side=32)
    first, shown = operation(name).apply(images, stream(1))
    again, _ = operation(name).apply(images, stream(1))
    assert shown.all()
    assert (first != images).flatten(1).any(1).all()
    assert torch.equal(first, again)


def test_an_operation_is_the_pipe_with_nothing_else() -> None:
    images = random_images(8, side=32)
    pipe = AugmentPipe(cutout=1)
    parameters = pipe.sample(images.shape, stream(3))
    expected = images_to_uint8(pipe.transform(images_to_float(images), parameters))
    assert torch.equal(operation("cutout").apply(images, stream(3))[0], expected)


def test_the_operations_of_a_run_are_those_switched_on_with_its_magnitudes() -> None:
    switched = {**dict.fromkeys(OPERATIONS, 0.0), "cutout": 0.5, "xflip": 1.0}
    found = operations_of_config(resolved(augment={**switched, "cutout_size": 0.25}))
    assert [each.name for each in found] == ["xflip", "cutout"]
    images = torch.full((50, 1, 32, 32), 255, dtype=torch.uint8)
    operated, _ = found[1].apply(images, stream())
    # Boxes of 8 x 8 of 32 x 32 pixels, some cut by the border.
    assert int((operated != images).flatten(1).sum(1).max()) == 64


@pytest.mark.parametrize("setting", [{"mode": "none"}, {"mode": "fixed", "p": 0}])
def test_a_run_without_augmentation_has_no_operations(setting: dict[str, object]) -> None:
    seeing = {"network": "torchvision:resnet18"}
    for features in ({}, seeing, {**seeing, "p": 0}):
        assert operations_of_config(resolved(augment=setting, features=features)) == []


@pytest.mark.parametrize(("side", "shift"), [(16, 1), (64, 2)])
@pytest.mark.parametrize("weighted", ["bcr_real", "bcr_generated"])
def test_the_shift_of_bcr_is_looked_for_at_any_p(weighted: str, side: int, shift: int) -> None:
    sections: dict[str, Any] = {"training": {weighted: 10}, "data": {"resolution": side}}
    (found,) = operations_of_config(resolved(augment={"mode": "none"}, **sections))
    assert found.name == "bcr xint"
    images = torch.arange(side, dtype=torch.uint8).expand(300, 1, side, side).clone()
    operated, _ = found.apply(images, stream())
    # Rows count up to the right, so the middle of one tells how far it was shifted.
    moved = (operated.int() - images.int())[:, 0, side // 2, side // 2]
    assert moved.abs().max() == shift
    names = [each.name for each in operations_of_config(resolved(augment={}, **sections))]
    assert names[-1] == "bcr xint"
    assert "xint" in names  # of the pipe, which shifts further


def test_what_only_a_feature_critic_sees_augmented_is_looked_for_too() -> None:
    features = {"network": "torchvision:resnet18", "p": 0.8}
    augment = {"mode": "none", "preset": "geom"}
    found = operations_of_config(resolved(augment=augment, features=features))
    assert [each.name for each in found] == ["scale", "rotate", "aniso", "xfrac"]


def test_diffaug_has_its_three_policies() -> None:
    augment = {"preset": "diffaug", "mode": "fixed", "p": 1}
    found = operations_of_config(resolved(augment=augment))
    assert [each.name for each in found] == [
        "diffaug color",
        "diffaug translation",
        "diffaug cutout",
    ]
    images = random_images(8, side=32)
    for each in found:
        assert each.apply(images, stream())[1].all()
    # Only cutout leaves pixels as they are, or sets them to the middle.
    operated, _ = found[2].apply(images, stream())
    assert ((operated == images) | (operated == 128)).all()


@pytest.mark.parametrize("p", [0.1, 0.6, 1.0])
def test_diffusion_is_as_strong_as_the_run_ever_showed_it(p: float) -> None:
    images = torch.full((2000, 1, 2, 2), 128, dtype=torch.uint8)
    images[:, :, :, 1] = 255
    config = resolved(augment={"preset": "diffusion", "diffusion": 0.5})
    steps = 10 + round(990 * 0.5 * p)
    kept = torch.cumprod(1 - torch.linspace(1e-4, 2e-2, steps, dtype=torch.float64), 0)
    for found in (
        operations_of_config(config, p=p),
        operations_by_name(["diffusion"], config.augment, p=p),
        operations_of_preset("diffusion", p=0.5 * p),
    ):
        operated, shown = found[0].apply(images, stream())
        assert shown.all()
        bright = images_to_float(operated)[:, 0, :, 1].mean(1).min().double()
        # The mean of two pixels, four standard deviations below the faintest signal at the most.
        assert kept[-1].sqrt() - 4 * 0.05 / 2**0.5 < bright < kept[-1].sqrt() + 0.1


def test_a_preset_has_its_operations() -> None:
    assert [each.name for each in operations_of_preset("geom")] == [
        "scale",
        "rotate",
        "aniso",
        "xfrac",
    ]


@pytest.mark.parametrize("names", [["rotate", "rotation"], []])
def test_unknown_names_are_refused(names: list[str]) -> None:
    with pytest.raises(UserError, match="expected some of: xflip"):
        operations_by_name(names)


def test_a_name_given_twice_counts_once() -> None:
    assert [each.name for each in operations_by_name(["hue", "hue"])] == ["hue"]


def test_global_randomness_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    operation("noise").apply(random_images(4), stream())
    np.testing.assert_array_equal(before.numpy(), torch.random.get_rng_state().numpy())


def test_operations_of_kornia_are_looked_for_too() -> None:
    extra = [{"operation": "RandomInvert", "p": 0.5}, {"operation": "RandomHue", "p": 0}]
    found = operations_of_config(resolved(augment={"preset": "noise", "extra": extra}))
    assert [each.name for each in found] == ["noise", "RandomInvert"]
    images = random_images(6)
    operated, shown = found[1].apply(images, stream())
    assert shown.all()
    assert (operated.int() + images.int() - 255).abs().max() <= 1


def test_an_operation_of_kornia_may_be_named_with_the_keywords_of_the_run() -> None:
    extra = [{"operation": "RandomBrightness", "brightness": [1.5, 1.5]}]
    augment = resolved(augment={"extra": extra}).augment
    images = random_images(6)
    for section, changes in ((augment, True), (None, False)):  # its own default changes nothing
        (found,) = operations_by_name(["RandomBrightness"], section)
        assert found.apply(images, stream())[1].any() == changes
    with pytest.raises(UserError, match="--operations names 'RandomInvrt', expected some of"):
        operations_by_name(["RandomInvrt"])
