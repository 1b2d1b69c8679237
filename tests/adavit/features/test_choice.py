import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import mobilenet_v3_small, vit_b_16

from adavit.errors import UserError
from adavit.features.architectures import ARCHITECTURES, IMAGENET_MEAN
from adavit.features.choice import absolute, find_network
from adavit.features.network import FrozenNetwork
from adavit.metrics.extractors.weight_files import WeightsAbsentError, file_digest

COLOURS = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2), "class_token": False}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "mobile.pth"
    torch.save(mobilenet_v3_small(weights=None).state_dict(), path)
    return path


def read(requested: str, *, side: int = 64, maps: int = 2) -> FrozenNetwork:
    return find_network(requested).build(side=side, maps=maps, **COLOURS)


def test_a_file_becomes_a_network_that_says_what_it_is(weights: Path) -> None:
    found = read(f"torchvision:mobilenet_v3_small:{weights}")
    said = find_network(f"torchvision:mobilenet_v3_small:{weights}").identity
    assert said == f"torchvision:mobilenet_v3_small {file_digest(weights)}"
    assert found.taps == ARCHITECTURES["mobilenet_v3_small"].taps[:2]
    own, stored = found.network.network.state_dict(), torch.load(weights, weights_only=True)
    assert all(torch.equal(value, stored[name]) for name, value in own.items())
    torch.testing.assert_close(found.std.flatten(), torch.full((3,), 0.2))


def test_blocks_of_a_transformer_are_taken_evenly(tmp_path: Path) -> None:
    path = tmp_path / "vit.pth"
    torch.save(vit_b_16(weights=None, image_size=32).state_dict(), path)
    found = find_network(f"torchvision:vit_b_16:{path}").build(
        side=64, maps=2, class_token=True, mean=None, std=None
    )  # embeddings of 2x2 patches become 4x4
    blocks = [tap.module.rpartition("_")[2] for tap in found.taps[:2]]
    assert blocks == ["5", "11"]
    assert found.taps[2:] == (ARCHITECTURES["vit_b_16"].class_token,)
    torch.testing.assert_close(found.mean.flatten(), torch.tensor(IMAGENET_MEAN))


def test_files_that_do_not_fit_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lacks .* tensors.*or leave --features out"):
        read(f"torchvision:squeezenet1_1:{weights}")
    with pytest.raises(UserError, match=r"nothing\.pth names no file"):
        read(f"torchvision:squeezenet1_1:{tmp_path / 'nothing.pth'}")
    pickled = tmp_path / "pickled.pth"
    torch.save(mobilenet_v3_small(weights=None), pickled)
    with pytest.raises(UserError, match="pickled objects, which are never loaded"):
        read(f"torchvision:mobilenet_v3_small:{pickled}")


def test_more_maps_than_the_images_allow_are_refused(weights: Path) -> None:
    with pytest.raises(UserError, match=r"of images of 64 px mobilenet_v3_small has 3 maps"):
        read(f"torchvision:mobilenet_v3_small:{weights}", maps=4)


def test_published_weights_are_looked_for_where_torchvision_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", offline)
    with pytest.raises(WeightsAbsentError, match=r"squeezenet1_0-b66bff10\.pth") as absent:
        read("torchvision:squeezenet1_0")
    assert "--features torchvision:squeezenet1_0:FILE, or leave --features out" in str(absent.value)
    place = tmp_path / "hub/checkpoints/squeezenet1_0-b66bff10.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"cut off")
    with pytest.raises(UserError, match="its name promises b66bff10"):
        read("torchvision:squeezenet1_0")


def test_a_side_that_patches_do_not_divide_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vit.pth"
    path.touch()
    with pytest.raises(
        UserError, match=r"features\.side is 100, .* multiple of the 16 px.* Use 96"
    ):
        read(f"torchvision:vit_b_16:{path}", side=100)


def test_without_its_library_a_network_of_timm_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r'needs timm.*pip install "adavit\[timm\]", or leave'):
        find_network("timm:some_network_that_nobody_has_asked_for")


def test_weights_are_read_from_safetensors_too(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    save_file(state, tmp_path / "mobile.safetensors")
    found = read(f"torchvision:mobilenet_v3_small:{tmp_path / 'mobile.safetensors'}")
    own = found.network.network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in own.items())


def test_a_file_is_found_from_other_folders_too(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(weights.parent)
    named = f"torchvision:mobilenet_v3_small:{weights.name}"
    assert absolute(named) == f"torchvision:mobilenet_v3_small:{weights}"
    assert absolute("torchvision:resnet18") == "torchvision:resnet18"
