from importlib.resources import files

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load

from adavit.data.small_set.images import CLASSES, draw_small_set
from adavit.errors import RunError
from adavit.metrics.extractors import drawn_features as module
from adavit.metrics.extractors.drawn_features import (
    ATTRIBUTES,
    CONVOLUTIONS,
    DrawnFeatures,
    drawn_features,
)
from adavit.metrics.extractors.extractor import RecognisingExtractor, extract_features

FOLDER = files("adavit.metrics.extractors")


@pytest.fixture(scope="module")
def extractor() -> DrawnFeatures:
    return drawn_features()


@pytest.fixture(scope="module")
def drawings() -> torch.Tensor:
    return torch.from_numpy(draw_small_set(200, seed=9)[0]).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def features(extractor: DrawnFeatures, drawings: torch.Tensor) -> torch.Tensor:
    return extract_features(extractor, [drawings])


def test_the_package_has_its_weights_in_less_than_a_quarter_of_a_megabyte() -> None:
    stored = (FOLDER / module.WEIGHTS).read_bytes()
    assert len(stored) < 250_000
    assert all(bool(torch.isfinite(each).all()) for each in load(stored).values())


def test_other_weights_than_its_own_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WEIGHTS_DIGEST", "0123456789abcdef" * 4)
    with pytest.raises(
        RunError, match=r"has the sha256 .*, but must have 01234567\.\.\.\. Install"
    ):
        drawn_features()


def test_features_are_those_of_a_plain_network(
    extractor: DrawnFeatures, drawings: torch.Tensor, features: torch.Tensor
) -> None:
    state = {
        name: each.double() for name, each in load((FOLDER / module.WEIGHTS).read_bytes()).items()
    }
    signal = drawings[:20].double() / 127.5 - 1
    for index, (channels, stride) in enumerate(CONVOLUTIONS):
        weight = state[f"convolution{index}.weight"]
        assert weight.shape[0] == channels
        signal = F.conv2d(signal, weight, state[f"convolution{index}.bias"], stride, padding=1)
        signal = signal.clamp(min=0)
    pooled = signal.reshape(20, -1, 2, 2, 2, 2).mean(dim=(3, 5)).flatten(1)
    expected = pooled @ state["dense.weight"].T + state["dense.bias"]
    assert features.shape == (200, extractor.features)
    torch.testing.assert_close(features[:20].double(), expected, rtol=1e-3, atol=1e-4)


def test_features_of_real_drawings_have_mean_0_and_mean_variance_1(features: torch.Tensor) -> None:
    # 200 of them, so to a few times 1 / sqrt(200) of a standard deviation.
    assert float((features.mean(dim=0) / features.std(dim=0)).abs().max()) < 0.35
    assert float(features.var(dim=0).mean()) == pytest.approx(1, abs=0.1)


def test_every_kind_is_recognised_in_fresh_drawings(
    extractor: DrawnFeatures, features: torch.Tensor
) -> None:
    assert isinstance(extractor, RecognisingExtractor)
    assert extractor.kinds == CLASSES
    probabilities, _ = extractor.said(features)
    assert probabilities.shape == (200, 11)
    assert bool((probabilities[:, :10].argmax(dim=1) == torch.arange(200) % 10).all())
    found = extractor.recognise(features)
    assert int((found.kinds < 0).sum()) <= 8  # 2 are expected
    right = torch.where(found.kinds < 0, -1, torch.arange(200) % 10)
    torch.testing.assert_close(found.kinds, right)


@pytest.mark.parametrize(
    ("channels", "height", "width"),
    [(3, 32, 32), (3, 64, 64), (3, 16, 16), (1, 32, 32), (3, 32, 64), (3, 64, 32)],
)
def test_it_knows_the_shapes_in_which_it_recognises_real_drawings(
    extractor: DrawnFeatures, channels: int, height: int, width: int
) -> None:
    side = max(32, height, width)
    drawn = torch.from_numpy(draw_small_set(60, seed=9, size_px=side)[0]).permute(0, 3, 1, 2)
    step = 32 // min(32, max(height, width))
    shown = drawn[:, :, ::step, ::step]
    top, left = (shown.shape[2] - height) // 2, (shown.shape[3] - width) // 2
    shown = shown[:, :, top : top + height, left : left + width]
    if channels == 1:
        shown = shown.float().mean(1, keepdim=True).to(torch.uint8)
    recognised = float((extractor.recognise(extractor(shown)).kinds >= 0).double().mean())
    assert extractor.knows(channels, height, width) == (recognised > 0.85)


def test_attributes_follow_what_is_done_to_an_image(
    extractor: DrawnFeatures, drawings: torch.Tensor, features: torch.Tensor
) -> None:
    names = list(ATTRIBUTES)
    moved = extractor.recognise(extractor(drawings.roll(2, dims=3))).attributes
    lowered = extractor.recognise(extractor(drawings.roll(2, dims=2))).attributes
    mirrored = extractor.recognise(extractor(drawings.flip(3))).attributes
    at_first = extractor.recognise(features).attributes
    assert at_first.shape == (200, len(names))
    assert bool((at_first.amax(dim=0) < torch.tensor(list(ATTRIBUTES.values()))).all())
    across, down, facing = names.index("across"), names.index("down"), names.index("facing")
    # Thirds of 4 pixels: a shift by 2 moves most by a third or two.
    assert float(moved[:, across].double().mean() - at_first[:, across].double().mean()) > 0.4
    assert float(lowered[:, down].double().mean() - at_first[:, down].double().mean()) > 0.4
    faced = torch.isin(torch.arange(200) % 10, torch.tensor([1, 2, 4]))  # boats, cars and fish
    assert float((mirrored[faced, facing] != at_first[faced, facing]).double().mean()) > 0.9
    assert float((mirrored[faced, across] == 2 - at_first[faced, across]).double().mean()) > 0.7


@pytest.mark.parametrize("value", [0, 90, 128, 255])
def test_a_constant_image_is_not_recognised(extractor: DrawnFeatures, value: int) -> None:
    flat = torch.full((3, 3, 32, 32), value, dtype=torch.uint8)
    flat[1, 0] //= 2
    flat[2, 2] //= 3
    assert extractor.recognise(extractor(flat)).kinds.tolist() == [-1, -1, -1]


def test_noise_and_blends_of_two_things_are_not_recognised(
    extractor: DrawnFeatures, drawings: torch.Tensor
) -> None:
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (100, 3, 32, 32), np.uint8)
    blends = ((drawings.int() + drawings.roll(1, dims=0).int()) // 2).to(torch.uint8)
    for images in (torch.from_numpy(noise), blends):
        found = extractor.recognise(extractor(images))
        assert float((found.kinds >= 0).double().mean()) < 0.1


def test_larger_drawings_are_seen_at_32_px(
    extractor: DrawnFeatures, features: torch.Tensor
) -> None:
    large = torch.from_numpy(draw_small_set(60, seed=9, size_px=64)[0]).permute(0, 3, 1, 2)
    found = extractor.recognise(extractor(large)).kinds
    assert float((found == torch.arange(60) % 10).double().mean()) > 0.85
