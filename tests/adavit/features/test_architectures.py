import pytest
import torch
from torchvision.models import get_model_weights

from adavit.config.auto import features_side
from adavit.features.architectures import (
    ARCHITECTURES,
    LOGIT_KERNEL,
    Architecture,
    Tap,
    blocks_of,
    patch_of,
)
from adavit.features.network import FrozenNetwork
from adavit.runtime.resolution import Resolution


@pytest.mark.parametrize("side", [64, 96])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_channels_and_strides_are_those_of_the_network(name: str, side: int) -> None:
    taps, token = ARCHITECTURES[name].taps, ARCHITECTURES[name].class_token
    looked_at = taps if token is None else (*taps, token)
    maps = FrozenNetwork(name, side=side, taps=looked_at)(torch.zeros(1, 3, side, side))
    if token is not None:
        assert maps.pop().shape == (1, token.channels, 1, 1)
    for tap, features in zip(taps, maps, strict=True):
        assert features.shape[1] == tap.channels, tap
        assert features.shape[2] == features.shape[3]
        assert side / tap.stride - tap.lost <= features.shape[3] <= side / tap.stride, tap


def test_taps_go_from_fine_to_coarse() -> None:
    for architecture in ARCHITECTURES.values():
        strides = [tap.stride for tap in architecture.taps]
        assert strides == sorted(strides)  # type: ignore[type-var]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_files_and_colours_are_those_that_torchvision_publishes(name: str) -> None:
    published = get_model_weights(name)["DEFAULT"]
    known = ARCHITECTURES[name]
    assert known.file == published.url.rsplit("/", 1)[1]
    transform = published.transforms()
    assert (list(known.mean), list(known.std)) == (transform.mean, transform.std)


@pytest.mark.parametrize(
    ("requested", "patch"),
    [
        ("torchvision:vit_b_16", 16),
        ("torchvision:resnet18:some_patch14.pth", 1),
        ("torchvision:nothing", 1),
        ("timm:vit_small_patch14_dinov2.lvd142m", 14),
        ("timm:vit_small_patch16_dinov3.lvd1689m:weights_patch8.safetensors", 16),
        ("timm:resnet18", 1),
    ],
)
def test_a_name_tells_the_patches(requested: str, patch: int) -> None:
    assert patch_of(requested) == patch


def test_blocks_of_transformers_are_those_that_are_published() -> None:
    assert blocks_of(12) == (2, 5, 8, 11)
    assert blocks_of(24) == (4, 10, 16, 23)
    assert blocks_of(40) == (9, 19, 29, 39)


def test_what_images_do_not_give_is_refused() -> None:
    vit, resnet = ARCHITECTURES["vit_b_16"], ARCHITECTURES["resnet18"]
    assert resnet.wanted("resnet18", 64, 3) == resnet.taps[:3]
    with pytest.raises(
        ValueError, match=r"maps is 4, .* 64 px resnet18 has 3 maps of at least 4x4"
    ):
        resnet.wanted("resnet18", 64, 4)
    with pytest.raises(ValueError, match=r"side is 72, .* the 16 px of vit_b_16's .* Use 64"):
        vit.wanted("vit_b_16", 72, 1)
    with pytest.raises(ValueError, match=r"features\.maps is 1, but of images of 48 px"):
        vit.wanted("vit_b_16", 48, 1)


def test_of_maps_of_one_size_evenly_spread_ones_are_chosen() -> None:
    vit, resnet = ARCHITECTURES["vit_b_16"], ARCHITECTURES["resnet18"]
    blocks = {count: vit.chosen(vit.taps, count) for count in (1, 2, 3, 4)}
    assert [[vit.taps.index(tap) for tap in each] for each in blocks.values()] == [
        *([3], [1, 3], [1, 2, 3], [0, 1, 2, 3])
    ]
    assert resnet.chosen(resnet.taps, 2) == resnet.taps[:2]
    assert resnet.maps(64, smallest=4) == resnet.taps[:3]
    squeezenet = ARCHITECTURES[
        "squeezenet1_1"
    ]  # 15, 7 and 3 pixels a side of 64; 19, 9 and 4 of 80
    assert squeezenet.maps(64, smallest=4) == squeezenet.taps[:2]
    assert squeezenet.maps(80, smallest=4) == squeezenet.taps


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("patch", [8, 14, 16, 32])
def test_images_of_the_side_that_is_chosen_give_maps_of_each_block(
    patch: int, resolution: int
) -> None:
    known = Architecture(tuple(Tap(f"blocks.{k}", 768, patch) for k in (2, 5, 8, 11)), patch=patch)
    name = f"vit_base_patch{patch}_224"
    side = features_side(f"timm:{name}", Resolution(resolution, resolution))
    assert len(known.wanted(name, side, 2)) == 2
    assert known.maps(side, smallest=LOGIT_KERNEL) == known.taps
