import numpy as np
import pytest
import torch
from PIL import Image

from adavit.errors import UserError
from adavit.metrics import RandomFeatures
from adavit.metrics.extractors.extractor import (
    FloatExtractor,
    Interrupted,
    array_batches,
    as_rgb,
    exact_arithmetic,
    extract_features,
    images_per_call,
    tensors_digest,
)
from tests.references.metrics_images import drawn_images


def test_grey_is_repeated_three_times() -> None:
    images = torch.arange(2 * 5 * 7, dtype=torch.uint8).reshape(2, 1, 5, 7)
    assert torch.equal(as_rgb(images), images.repeat(1, 3, 1, 1))


def test_alpha_is_composited_on_black_as_pillow_does() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, 4, 17, 11), generator=generator).to(torch.uint8)
    composed = as_rgb(images)
    for image, result in zip(images, composed, strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy(), "RGBA")
        ground = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        expected = np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))
        difference = result.permute(1, 2, 0).numpy().astype(int) - expected.astype(int)
        assert np.abs(difference).max() <= 1  # Pillow rounds its last bit in another way


def test_opaque_images_are_unchanged_and_clear_ones_are_black() -> None:
    color = torch.randint(0, 256, (2, 3, 4, 4)).to(torch.uint8)
    opaque = torch.cat([color, torch.full((2, 1, 4, 4), 255, dtype=torch.uint8)], dim=1)
    clear = torch.cat([color, torch.zeros(2, 1, 4, 4, dtype=torch.uint8)], dim=1)
    assert torch.equal(as_rgb(opaque), color)
    assert torch.equal(as_rgb(clear), torch.zeros_like(color))
    assert torch.equal(as_rgb(color), color)


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 3, 4, 4), torch.zeros(2, 2, 4, 4).byte(), torch.zeros(3, 4, 4).byte()],
    ids=["float", "two channels", "no batch"],
)
def test_anything_but_uint8_images_is_an_error(images: torch.Tensor) -> None:
    with pytest.raises(UserError, match=r"images have shape .*uint8 \[B, C, H, W\]"):
        as_rgb(images)


def test_digest_changes_with_value_name_shape_and_type() -> None:
    base = {"a": torch.arange(6.0), "n": torch.tensor(3)}
    changed = [
        {"a": torch.arange(6.0) + 1, "n": torch.tensor(3)},
        {"b": torch.arange(6.0), "n": torch.tensor(3)},
        {"a": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)},
        {"a": torch.arange(6.0), "n": torch.tensor(3, dtype=torch.int32)},
    ]
    digests = {tensors_digest(tensors) for tensors in [base, *changed]}
    assert len(digests) == 5
    assert tensors_digest(dict(reversed(base.items()))) == tensors_digest(base)


def test_exact_arithmetic_shuts_out_tf32_autocast_and_gradients_and_puts_them_back() -> None:
    before = torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    weight = torch.ones(4, 4, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with exact_arithmetic():
            assert torch.backends.cudnn.conv.fp32_precision == "ieee"
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
            product = weight @ weight
            assert product.dtype == torch.float32
            assert not product.requires_grad
        assert (weight @ weight).dtype == torch.bfloat16
    after = torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    assert after == before


def test_exact_arithmetic_puts_the_switches_back_after_an_error() -> None:
    before = torch.backends.cudnn.conv.fp32_precision
    with pytest.raises(KeyError), exact_arithmetic():
        raise KeyError
    assert torch.backends.cudnn.conv.fp32_precision == before
    assert torch.is_grad_enabled()


class Seen(FloatExtractor):
    """Shows what its network is given."""

    def __init__(self, black: float, white: float) -> None:
        self.device = torch.device("cpu")
        self.pixel_range = (black, white)

    def _extract(self, images: torch.Tensor) -> torch.Tensor:
        return images


@pytest.mark.parametrize(("black", "white"), [(0.0, 255.0), (0.0, 1.0), (-1.0, 1.0), (2.0, -3.0)])
def test_whole_and_unrounded_pixels_are_brought_to_the_range_of_the_network(
    black: float, white: float
) -> None:
    levels = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).reshape(1, 1, 1, 4)
    shares = torch.tensor([0.0, 0.2, 0.4, 1.0])
    expected = (black + shares * (white - black)).expand(1, 3, 1, 4)
    extractor = Seen(black, white)
    torch.testing.assert_close(extractor(levels), expected)
    unrounded = extractor.of_unrounded((2 * shares - 1).reshape(1, 1, 1, 4))
    torch.testing.assert_close(unrounded, expected)


def test_features_of_many_images_are_those_of_each_whatever_the_batches() -> None:
    images = torch.from_numpy(drawn_images(11, seed=3))
    network = RandomFeatures()
    done: list[int] = []
    found = extract_features(network, images.split(5), batch=3, progress=done.append)
    each = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(found, each, rtol=1e-5, atol=1e-6)
    assert done == [3, 5, 8, 10, 11]  # a batch is split, never joined with the next
    assert extract_features(network, []).shape == (0, network.features)


def test_stopping_is_asked_for_before_each_call() -> None:
    answers = iter([False, False, True])
    calls: list[int] = []
    with pytest.raises(Interrupted, match="stopped after 4 images"):
        extract_features(
            RandomFeatures(),
            [drawn_images(6, seed=3)],
            batch=2,
            progress=calls.append,
            should_stop=lambda: next(answers),
        )
    assert calls == [2, 4]


def test_batches_of_an_array_are_writable_copies_in_order() -> None:
    images = drawn_images(7, seed=3)
    images.flags.writeable = False
    batches = list(array_batches(images, 3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    np.testing.assert_array_equal(torch.cat(batches).numpy(), images)
    before = images.copy()
    batches[0].zero_()
    np.testing.assert_array_equal(images, before)


class Noting:
    """Sees nothing and notes how many images come at a time."""

    name, weights_digest, learned_from, resize = "noting", "0" * 64, "nothing", ""
    features, batch = 1, 2000
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.counts: list[int] = []

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        self.counts.append(len(images))
        return torch.zeros(len(images), 1)


@pytest.mark.parametrize(
    ("side", "counts"), [(32, [300]), (512, [32] * 9 + [12]), (4096, [1] * 300)]
)
def test_of_large_images_fewer_are_seen_and_read_at_a_time(side: int, counts: list[int]) -> None:
    image = np.zeros((1, 1, side, side), dtype=np.uint8)
    images = np.broadcast_to(image, (300, 1, side, side))  # one in memory
    network = Noting()
    extract_features(network, [torch.from_numpy(image).expand(images.shape)])
    assert network.counts == counts
    assert images_per_call(7, images.shape) == min(7, counts[0])
    read = array_batches(images[:40], network.batch)
    assert len(next(read)) == min(40, counts[0])


@pytest.mark.parametrize("batch", [2000, 250, 128])
def test_small_images_are_seen_as_many_at_a_time_as_is_fastest(batch: int) -> None:
    assert images_per_call(batch, (64, 64)) == batch
