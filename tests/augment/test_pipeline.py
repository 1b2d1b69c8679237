import pytest
import torch
from torch import nn

from adavit.augment import PRESETS, AugmentPipe, settings
from adavit.augment.matrices import doubled, product
from adavit.augment.settings import OPERATIONS
from tests.augment.helpers import EVERYTHING, pipe_of, random_images


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", [*OPERATIONS, *PRESETS, EVERYTHING])
def test_probability_zero_returns_images_bit_for_bit(name: str, dtype: torch.dtype) -> None:
    images = random_images(3, 3, 17, 11, dtype=dtype)
    pipe = pipe_of(name)
    pipe.p.fill_(0)
    assert torch.equal(pipe(images), images)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (17, 11), (70, 33)])
def test_any_size_and_kind_of_image_keeps_shape_and_dtype(
    channels: int, size: tuple[int, int]
) -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        images = random_images(3, channels, *size, dtype=dtype)
        before = images.clone()
        found = pipe_of(EVERYTHING)(images)
        assert found.shape == images.shape
        assert found.dtype == dtype
        assert found.isfinite().all()
        assert torch.equal(images, before)


def test_half_precision_is_computed_in_single() -> None:
    pipe, images = pipe_of("bgcf"), random_images(3, 3, 17, 11, dtype=torch.bfloat16)
    values = pipe.sample(images.shape)
    expected = pipe.transform(images.float(), values).bfloat16()
    assert torch.equal(pipe.transform(images, values), expected)


def test_autocast_does_not_round_the_filters() -> None:
    pipe, images = pipe_of("bgcf"), random_images(2, 3, 17, 11, dtype=torch.float32)
    values = pipe.sample(images.shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = pipe.transform(images, values)
    assert torch.equal(found, pipe.transform(images, values))


def test_same_generator_seed_gives_the_same_bits_whatever_the_global_state() -> None:
    images = random_images(4, 3, 17, 11, dtype=torch.float32)
    pipe = pipe_of(EVERYTHING, extra=[(torch.rand_like, 0.5)])
    torch.manual_seed(1)
    first = pipe(images, generator=torch.Generator().manual_seed(7))
    state = torch.get_rng_state()
    second = pipe(images, generator=torch.Generator().manual_seed(7))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first, pipe(images, generator=torch.Generator().manual_seed(8)))


def test_forward_is_sample_then_apply() -> None:
    images = random_images(4, 3, 17, 11, dtype=torch.float32)
    pipe = pipe_of(EVERYTHING)
    values = pipe.sample(images.shape, torch.Generator().manual_seed(3))
    expected = pipe(images, generator=torch.Generator().manual_seed(3))
    assert torch.equal(pipe.transform(images, values), expected)
    assert torch.equal(pipe.transform(images, values), expected)
    assert not torch.equal(pipe.transform(-images, values), expected)


def test_images_of_a_batch_do_not_depend_on_each_other() -> None:
    images = random_images(4, 3, 17, 11)
    pipe = pipe_of(EVERYTHING)
    values = pipe.sample(images.shape)
    whole = pipe.transform(images, values)
    for index in range(4):
        own = {
            group: {name: tensor[index : index + 1] for name, tensor in entries.items()}
            for group, entries in values.items()
        }
        found = pipe.transform(images[index : index + 1], own)
        torch.testing.assert_close(found, whole[index : index + 1], rtol=0, atol=1e-12)


def test_groups_act_in_the_stated_order() -> None:
    images = random_images(2, 3, 17, 11)
    pipe = pipe_of(EVERYTHING)
    values = pipe.sample(images.shape)
    blitting, geometric = doubled(values["blitting"], values["geometric"])
    inverse = product(*pipe.blitting.inverse_factors(blitting))
    inverse = inverse @ product(*pipe.geometric.inverse_factors(geometric))
    from adavit.augment.resampling import resample

    expected = resample(images, inverse)
    for group in ("color", "filtering", "noise", "cutout", "diffusion"):
        expected = getattr(pipe, group).transform(expected, values[group])
    assert torch.equal(pipe.transform(images, values), expected)


def test_operations_that_are_off_are_neither_drawn_nor_applied() -> None:
    pipe = AugmentPipe(xflip=1, hue=0.5)
    values = pipe.sample((2, 3, 4, 4))
    assert {group: set(entries) for group, entries in values.items()} == {
        "blitting": {"mirrored"},
        "color": {"hue_turns"},
    }
    images = random_images(2, 3, 4, 4)
    assert torch.equal(AugmentPipe()(images), images)
    assert repr(AugmentPipe()).startswith("AugmentPipe(\n  no operation")


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no 'rotat'; expected operations .*Use 'rotate'\."):
        AugmentPipe(rotat=1)


MAGNITUDES = {
    "xint_max": ("xint", 0.3),
    "scale_std": ("scale", 0.5),
    "rotate_max": ("rotate", 0.3),
    "aniso_std": ("aniso", 0.5),
    "xfrac_std": ("xfrac", 0.3),
    "brightness_std": ("brightness", 0.5),
    "contrast_std": ("contrast", 1.0),
    "hue_max": ("hue", 0.5),
    "saturation_std": ("saturation", 0.5),
    "imgfilter_std": ("imgfilter", 0.5),
    "imgfilter_bands": ("imgfilter", (0, 1, 0, 1)),
    "cutout_size": ("cutout", 0.2),
    "diffusion_std": ("diffusion", 0.5),
}


def test_every_magnitude_is_looked_at() -> None:
    elsewhere = {"noise_std"}  # the noise is another one each time: in test_noise.py
    assert MAGNITUDES.keys() == settings.MAGNITUDES.keys() - elsewhere


@pytest.mark.parametrize("magnitude", list(MAGNITUDES))
def test_each_magnitude_changes_its_operation(magnitude: str) -> None:
    operation, value = MAGNITUDES[magnitude]
    images = random_images(1, 3, 33, 29)
    usual = pipe_of(operation)(images, quantile=0.85)
    changed = pipe_of(operation, **{magnitude: value})(images, quantile=0.85)
    assert not torch.allclose(usual, changed)


def test_apply_with_a_function_visits_the_modules_as_in_torch() -> None:
    visited: list[nn.Module] = []
    pipe = pipe_of(EVERYTHING)
    nn.Sequential(pipe).apply(visited.append)
    assert pipe in visited
    assert pipe.geometric in visited
