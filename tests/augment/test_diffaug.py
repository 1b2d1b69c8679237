import pytest
import torch

from adavit.augment import DiffAugment, make_pipe
from adavit.augment.diffaug import change_colors, translate
from tests.augment.helpers import random_images


def test_diffaug_ignores_p_and_is_a_preset() -> None:
    pipe = make_pipe("diffaug")
    assert isinstance(pipe, DiffAugment)
    images = random_images(4, 3, 16, 12)
    first = pipe(images, generator=torch.Generator().manual_seed(1))
    pipe.p.fill_(0)
    assert torch.equal(pipe(images, generator=torch.Generator().manual_seed(1)), first)
    assert not torch.equal(first, images)


def test_diffaug_colors_follow_the_definitions() -> None:
    images = random_images(2, 3, 5, 7)
    values = {
        "brightness": torch.tensor([0.3, -0.2], dtype=torch.float64),
        "saturation": torch.tensor([0.0, 1.7], dtype=torch.float64),
        "contrast": torch.tensor([1.4, 0.6], dtype=torch.float64),
    }
    found = change_colors(images, values)
    for index in range(2):
        brightness, saturation, contrast = (values[name][index] for name in values)
        image = images[index] + brightness
        mean = image.mean(0, keepdim=True)
        image = (image - mean) * saturation + mean
        image = (image - image.mean()) * contrast + image.mean()
        torch.testing.assert_close(found[index], image, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("x", "y"), [(2, -1), (0, 0), (-3, 4)])
def test_diffaug_translation_brings_in_zeros(x: int, y: int) -> None:
    images = random_images(1, 2, 5, 7)
    values = {"shift_x_px": torch.tensor([float(x)]), "shift_y_px": torch.tensor([float(y)])}
    found = translate(images, values)
    expected = torch.zeros_like(images)
    for row in range(5):
        for column in range(7):
            if 0 <= row - y < 5 and 0 <= column - x < 7:
                expected[0, :, row, column] = images[0, :, row - y, column - x]
    assert torch.equal(found, expected)


def test_diffaug_draws_stay_in_their_ranges() -> None:
    values = make_pipe("diffaug").sample((5000, 3, 32, 40))
    color, shift, box = values["color"], values["translation"], values["cutout"]
    for tensor, low, high in (
        (color["brightness"], -0.5, 0.5),
        (color["saturation"], 0.0, 2.0),
        (color["contrast"], 0.5, 1.5),
        (shift["shift_x_px"], -5, 5),
        (shift["shift_y_px"], -4, 4),
        (box["left_px"], -10, 30),
        (box["top_px"], -8, 24),
    ):
        assert low <= tensor.min() <= low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) <= tensor.max() <= high


def test_diffaug_magnitudes_widen_what_is_drawn() -> None:
    pipe = DiffAugment(
        brightness_range=4,
        saturation_max=4,
        contrast_range=2,
        translation_max=0.5,
        cutout_size=0.25,
    )
    values = pipe.sample((1, 3, 32, 40), quantile=0.75)
    assert {name: value.item() for name, value in values["color"].items()} == {
        "brightness": 1,
        "saturation": 3,
        "contrast": 1.5,
    }
    assert values["translation"]["shift_x_px"].item() == 10
    assert (pipe(torch.ones(1, 1, 32, 40), quantile=0.5) == 0).sum() == 8 * 10


def test_diffaug_changes_colors_then_moves_then_cuts() -> None:
    images = random_images(3, 3, 16, 12)
    pipe = DiffAugment(brightness_range=0.5, cutout_size=0.25)
    values = pipe.sample(images.shape, torch.Generator().manual_seed(0))
    values["translation"] = {
        "shift_x_px": torch.tensor([2.0, 0.0, -1.0]),
        "shift_y_px": torch.ones(3),
    }
    values["cutout"] = {"left_px": torch.full((3,), 4.0), "top_px": torch.full((3,), 6.0)}
    expected = translate(change_colors(images, values["color"]), values["translation"])
    expected[:, :, 6:10, 4:7] = 0  # as grey as it was set, whatever was done to the colours
    assert torch.equal(pipe.transform(images, values), expected)


def test_diffaug_cutout_is_half_the_image() -> None:
    pipe = make_pipe("diffaug", policies=("cutout",))
    found = pipe(torch.ones(1, 1, 16, 12), quantile=0.5)
    assert (found == 0).sum() == 8 * 6
    assert repr(pipe).count("cutout") >= 1


def test_diffaug_policies_act_alone_and_unknown_ones_are_refused() -> None:
    images = random_images(3, 4, 16, 12)
    for policy in ("color", "translation", "cutout"):
        found = DiffAugment((policy,))(images)
        assert not torch.equal(found, images)
    assert torch.equal(DiffAugment(("color",))(images)[:, 3], images[:, 3])
    with pytest.raises(ValueError, match=r"policies has 'colour', but DiffAugment knows color"):
        DiffAugment(("colour",))


@pytest.mark.parametrize("value", [-0.5, -1e-9, float("inf"), float("nan")])
@pytest.mark.parametrize(
    "name",
    ["brightness_range", "saturation_max", "contrast_range", "translation_max", "cutout_size"],
)
def test_diffaug_refuses_magnitudes_out_of_range(name: str, value: float) -> None:
    with pytest.raises(
        ValueError, match=rf"^{name} is {value}, but a magnitude must be finite and >= 0\. Leave"
    ):
        DiffAugment(**{name: value})  # type: ignore[arg-type]


def test_diffaug_with_magnitudes_of_0_takes_the_whole_range_away() -> None:
    images = random_images(3, 3, 16, 12)
    still = {"brightness_range": 0, "contrast_range": 0, "translation_max": 0, "cutout_size": 0}
    pipe = DiffAugment(**still)  # type: ignore[arg-type]
    values = pipe.sample(images.shape)
    values["color"]["saturation"].fill_(1)
    assert torch.equal(pipe.transform(images, values), images)
