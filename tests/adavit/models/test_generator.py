import copy

import numpy as np
import pytest
import torch

from adavit.models import Generator, count_parameters
from tests.networks import make_generator

MADE = torch.tensor(True)


def small(seed: int = 0, **sizes: int) -> Generator:
    arguments = {"resolution": 16, "latent_dim": 24, "style_dim": 20, "channel_max": 8} | sizes
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make_generator(**arguments)


def latents(batch: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 24, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("resolution", [4, 8, 16, 32, 64])
@pytest.mark.parametrize(("channels", "batch"), [(1, 1), (3, 3), (4, 2)])
def test_images_have_the_shape_asked_for(resolution: int, channels: int, batch: int) -> None:
    generator = small(resolution=resolution, image_channels=channels)
    images = generator(latents(batch))
    assert images.shape == (batch, channels, resolution, resolution)
    assert images.dtype == torch.float32
    assert images.isfinite().all()


def test_first_images_are_of_the_order_of_one() -> None:
    # The activations keep unit variance; four image branches of the same styles add up.
    images = small(resolution=32, channel_max=64)(latents(8))
    assert 0.3 < images.std().item() < 6


def test_channels_halve_as_the_resolution_doubles() -> None:
    generator = small(resolution=32, channel_base=128, channel_max=20)
    widths = [block.convolutions[-1].weight.shape[0] for block in generator.synthesis.blocks]
    assert widths == [20, 16, 8, 4]


def test_fixed_noise_gives_the_same_images_and_drawn_noise_others() -> None:
    generator = small()
    for name, parameter in generator.named_parameters():
        if name.endswith("noise.strength"):
            torch.nn.init.constant_(parameter, 0.3)
    first, again = generator(latents()), generator(latents())
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    drawn = [generator(latents(), noise=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)
    assert (drawn[0] - drawn[2]).abs().max() > 0.01
    assert (drawn[0] - first).abs().max() > 0.01


def test_an_image_does_not_depend_on_the_others_of_its_batch() -> None:
    generator = small()
    torch.testing.assert_close(generator(latents(5))[2:3], generator(latents(5)[2:3]))


def test_truncation_zero_draws_one_image_for_all_latents() -> None:
    generator = small()
    generator.track_average(generator.mapping(latents(64)), MADE, decay=0.0)
    images = generator(latents(4), truncation=0.0)
    torch.testing.assert_close(images, images[:1].expand(4, -1, -1, -1))
    average = generator.synthesis(generator.w_average[None])
    torch.testing.assert_close(images[:1], average)


def test_truncation_moves_styles_towards_the_average() -> None:
    generator = small()
    generator.track_average(generator.mapping(latents(64)), MADE, decay=0.0)
    w = generator.mapping(latents())
    expected = generator.synthesis(generator.w_average + 0.7 * (w - generator.w_average))
    torch.testing.assert_close(generator(latents(), truncation=0.7), expected)


def test_average_follows_the_mean_style_in_place_and_without_gradients() -> None:
    generator = small()
    buffer = generator.w_average
    w = generator.mapping(latents(5))
    generator.track_average(w, MADE, decay=0.9)
    generator.track_average(w, MADE, decay=0.9)
    assert generator.w_average is buffer
    assert not buffer.requires_grad
    expected = (1 - 0.9**2) * w.detach().mean(dim=0)
    torch.testing.assert_close(buffer, expected)
    generator.track_average(w * torch.nan, ~MADE)
    torch.testing.assert_close(buffer, expected)


def test_one_style_for_each_layer_can_be_given() -> None:
    generator = small()
    w = generator.mapping(latents())
    count = generator.synthesis.style_count
    assert count == 6
    separate = w[:, None].repeat(1, count, 1)
    torch.testing.assert_close(generator.synthesis(separate), generator.synthesis(w))
    for layer in range(count):
        other = separate.clone()
        other[:, layer] += 1
        assert not torch.allclose(generator.synthesis(other), generator.synthesis(w)), layer


def test_labels_change_the_images() -> None:
    generator = small(num_classes=3)
    images = [generator(latents(), torch.full((3,), label)) for label in range(3)]
    assert (images[0] - images[1]).abs().max() > 1e-3
    assert (images[1] - images[2]).abs().max() > 1e-3


@pytest.mark.parametrize("num_classes", [0, 3])
def test_gradients_reach_every_parameter(num_classes: int) -> None:
    generator = small(num_classes=num_classes)
    labels = torch.tensor([0, 1, 2]) if num_classes else None
    images = generator(latents(), labels, noise=torch.Generator().manual_seed(0))
    (images * torch.randn_like(images)).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_gradients_of_gradients_match_differences() -> None:
    # What the path-length penalty does: the squared gradient with respect to w, differentiated.
    generator = small(resolution=8).double()
    w = generator.mapping(latents().double()).detach().requires_grad_()

    def penalty(styles: torch.Tensor) -> torch.Tensor:
        images = generator.synthesis(styles)
        probe = torch.ones_like(images).cumsum(-1) / 8
        (gradient,) = torch.autograd.grad((images * probe).sum(), styles, create_graph=True)
        return gradient.square().sum()

    (exact,) = torch.autograd.grad(penalty(w), w)
    direction = torch.randn_like(w)
    step = 1e-6
    numeric = (penalty(w + step * direction) - penalty(w - step * direction)) / (2 * step)
    torch.testing.assert_close((exact * direction).sum(), numeric.detach(), rtol=1e-4, atol=1e-8)


def test_bfloat16_autocast_is_finite_and_close() -> None:
    generator = small(channel_max=32)
    expected = generator(latents())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        images = generator(latents())
    assert images.dtype == torch.float32
    images.square().mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in generator.parameters())
    # bfloat16 has 8 bits: 0.4% an operation, here six layers deep.
    assert (images - expected).norm() / expected.norm() < 0.03


def test_state_dict_round_trips_to_the_same_images() -> None:
    generator, other = small(seed=0, num_classes=2), small(seed=1, num_classes=2)
    labels = torch.tensor([0, 1, 1])
    assert not torch.allclose(generator(latents(), labels), other(latents(), labels))
    other.load_state_dict(generator.state_dict())
    torch.testing.assert_close(generator(latents(), labels), other(latents(), labels))
    copied = copy.deepcopy(generator)
    torch.testing.assert_close(generator(latents(), labels), copied(latents(), labels))


def test_same_seed_gives_the_same_weights() -> None:
    first, second = small(seed=5).state_dict(), small(seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_parameters_are_counted_without_buffers() -> None:
    assert count_parameters(torch.nn.Linear(3, 4)) == 16
    generator = small()
    counted = sum(p.numel() for p in generator.parameters())
    assert count_parameters(generator) == counted


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"resolution": 36}, r"resolution is 36, but sides must be a \* 2\^k.* Use 40"),
        ({"resolution": 2}, "resolution is 2, but sides must be .* Use 4"),
        ({"image_channels": 0}, "image_channels is 0, but must be at least 1"),
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"mapping_layers": 0}, "mapping_layers is 0"),
        ({"num_classes": -1}, "num_classes is -1"),
        ({"channel_base": 8}, r"channel_base is 8, but must be at least the resolution \(16\)"),
        ({"channel_max": 0}, "channel_max is 0"),
    ],
)
def test_bad_sizes_are_refused_with_a_remedy(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**sizes)


def test_inputs_that_do_not_fit_are_refused_with_a_remedy() -> None:
    generator, conditional = small(), small(num_classes=3)
    with pytest.raises(
        ValueError, match=r"latents have the shape \[3, 23\], but must be \[B, 24\]"
    ):
        generator(torch.randn(3, 23))
    with pytest.raises(ValueError, match=r"no classes .*Pass labels=None"):
        generator(latents(), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(
        ValueError, match=r"labels are None, but this generator has 3 classes.*\(latents, 0\)"
    ):
        conditional(latents())
    with pytest.raises(ValueError, match=r"not one-hot"):
        conditional(latents(), torch.eye(3))
    with pytest.raises(ValueError, match=r"w has the shape \[3, 5, 20\]"):
        generator.synthesis(torch.zeros(3, 5, 20))


def test_a_class_for_all_is_a_number_or_a_name() -> None:
    generator = small(num_classes=3).eval()
    generator.classes = ("daisy", "rose", "tulip")
    expected = generator(latents(), torch.tensor([1, 1, 1]))
    assert torch.equal(generator(latents(), 1), expected)
    assert torch.equal(generator(latents(), "rose"), expected)
    for kind in (np.int64, np.int32, np.uint8):
        assert torch.equal(generator(latents(), kind(1)), expected)
        assert torch.equal(generator(latents(), np.ones(3, kind)), expected)
    with pytest.raises(ValueError, match=r"labels hold 1\.5, expected numbers or names"):
        generator(latents(), 1.5)
    with pytest.raises(ValueError, match=r"labels have the shape \[3\] and dtype torch\.bool, but"):
        generator(latents(), torch.tensor([True, False, True]))
    with pytest.raises(ValueError, match="'lily', expected one of the classes: daisy, rose, tulip"):
        generator(latents(), "lily")
    with pytest.raises(ValueError, match="labels"):
        generator(latents(), 3)
    with pytest.raises(ValueError, match=r"such as generator\(latents, 'daisy'\), or a list"):
        generator(latents())


@pytest.mark.parametrize("labels", ["daisy", 0, ["daisy", 0, 1]])
def test_without_classes_no_label_is_taken(labels: object) -> None:
    with pytest.raises(ValueError, match=r"but this generator has no classes\. Pass labels=None\."):
        small().eval()(latents(), labels)


def test_classes_of_each_image_are_a_list_of_numbers_and_names() -> None:
    generator = small(num_classes=3).eval()
    generator.classes = ("daisy", "rose", "tulip")
    expected = generator(latents(), torch.tensor([1, 2, 0]))
    assert torch.equal(generator(latents(), ["rose", "tulip", "daisy"]), expected)
    assert torch.equal(generator(latents(), ("rose", 2, 0)), expected)
    with pytest.raises(ValueError, match="'lily', expected one of the classes"):
        generator(latents(), ["rose", "lily", "daisy"])
    with pytest.raises(ValueError, match=r"labels hold 1\.5, expected numbers or names"):
        generator(latents(), [1.5, 0, 0])
    with pytest.raises(ValueError, match=r"labels have the shape \[2\]"):
        generator(latents(), ["rose", "tulip"])
    generator.classes = ("daisy", "ros\u00e9", "tulip")
    assert torch.equal(generator(latents(), ["rose\u0301", "tulip", "daisy"]), expected)
