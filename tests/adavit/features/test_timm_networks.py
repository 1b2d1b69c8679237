"""timm's own networks are the reference; those called test_... are small, and as their large kin."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from adavit.errors import UserError
from adavit.features.choice import PretrainedNetwork, find_network
from adavit.features.network import FrozenNetwork
from adavit.features.timm_networks import Timm
from adavit.metrics.extractors.weight_files import WeightsAbsentError, file_digest

timm: Any = pytest.importorskip("timm", reason="timm is not installed")


def stored(folder: Path, name: str, **arguments: object) -> tuple[Path, Any]:
    """A file of random weights, and the network that they are of."""
    torch.manual_seed(0)
    whole = timm.create_model(name, **arguments).eval()
    for value in whole.state_dict().values():  # as training would have left them
        if value.is_floating_point():
            value.add_(0.02 * torch.rand_like(value))
    path = folder / "weights.safetensors"
    save_file(whole.state_dict(), path)
    return path, whole


def built(found: PretrainedNetwork, side: int, maps: int = 2, token: bool = True) -> FrozenNetwork:
    return found.build(side=side, maps=maps, class_token=token, mean=None, std=None)


def normalised(images: torch.Tensor, whole: Any) -> torch.Tensor:
    mean, std = (
        torch.tensor(whole.pretrained_cfg[key]).reshape(1, 3, 1, 1) for key in ("mean", "std")
    )
    return (images / 2 + 0.5 - mean) / std


def images(side: int) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_maps_of_a_convolutional_network_are_those_of_features_only(
    name: str, tmp_path: Path
) -> None:
    path, whole = stored(tmp_path, name)
    found = find_network(f"timm:{name}:{path}")
    assert found.identity == f"timm:{name} {file_digest(path)}"
    network = built(found, side=64)
    assert [tap.stride for tap in network.taps] == [4, 8]
    reference = timm.create_model(name, features_only=True).eval()
    state = whole.state_dict()
    rewritten = {key: _as_in(state, key) for key in reference.state_dict()}
    reference.load_state_dict(rewritten)
    strides = reference.feature_info.reduction()
    with torch.no_grad():
        maps = reference(normalised(images(64), whole))
    for tap, features in zip(network.taps, network(images(64)), strict=True):
        expected = maps[strides.index(tap.stride)]
        assert expected.shape[1] == tap.channels
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


def _as_in(state: dict[str, torch.Tensor], key: str) -> torch.Tensor:
    """By its name in a network of which `features_only` has flattened the first two levels."""
    return state[key] if key in state else state[key.replace("_", ".", 1)]


@pytest.mark.parametrize("name", ["test_vit", "deit_tiny_distilled_patch16_224"])
def test_maps_of_a_transformer_are_its_patch_tokens_and_its_class_token(
    name: str, tmp_path: Path
) -> None:
    path, whole = stored(tmp_path, name, img_size=64)
    network = built(find_network(f"timm:{name}:{path}"), side=64)
    depth = len(whole.blocks)
    blocks = [depth // 2 - 1, depth - 1]
    assert [tap.module for tap in network.taps] == [*(f"blocks.{k}" for k in blocks), "class token"]
    seen: list[torch.Tensor] = []
    for index in blocks:
        whole.blocks[index].register_forward_hook(lambda *call: seen.append(call[2]))
    with torch.no_grad():
        tokens = whole.forward_features(normalised(images(64), whole))
    *maps, vector = network(images(64))
    for features, expected in zip(maps, seen, strict=True):
        assert features.shape == (2, network.taps[0].channels, 4, 4)
        torch.testing.assert_close(
            features[1, :, 2, 3],
            expected[1, whole.num_prefix_tokens + 2 * 4 + 3],
            rtol=1e-4,
            atol=1e-5,
        )
    torch.testing.assert_close(vector[:, :, 0, 0], tokens[:, 0], rtol=1e-4, atol=1e-5)
    without = built(find_network(f"timm:{name}:{path}"), side=64, token=False)
    for features, expected in zip(without(images(64)), maps, strict=True):
        torch.testing.assert_close(features, expected)


def test_a_class_token_that_joins_the_patches_at_the_end_is_its_own(tmp_path: Path) -> None:
    path, whole = stored(tmp_path, "cait_xxs24_224", img_size=64)
    *maps, vector = built(find_network(f"timm:cait_xxs24_224:{path}"), side=64)(images(64))
    with torch.no_grad():
        tokens = whole.forward_features(normalised(images(64), whole))
    assert [features.shape[2:] for features in maps] == [(4, 4), (4, 4)]
    torch.testing.assert_close(vector[:, :, 0, 0], tokens[:, 0], rtol=1e-4, atol=1e-5)


def test_positions_are_resized_for_patches_of_14(tmp_path: Path) -> None:
    name = "vit_small_patch14_dinov2.lvd142m"
    _, whole = stored(tmp_path, name, img_size=56)
    path = tmp_path / "as_meta_publishes_it.pth"
    torch.save({**whole.state_dict(), "mask_token": torch.zeros(1, 384)}, path)
    found = find_network(f"timm:{name}:{path}")
    with pytest.raises(UserError, match=r"features\.side is 64, .* the 14 px .* Use 70, or"):
        built(found, side=64)
    network = built(found, side=70)
    assert [tap.module for tap in network.taps] == ["blocks.5", "blocks.11", "class token"]
    assert [tuple(features.shape[1:]) for features in network(images(64))] == [
        *((384, 5, 5), (384, 5, 5), (384, 1, 1))
    ]
    # DINOv2's class token has a position of its own.
    first, grid = whole.pos_embed[:, :1], whole.pos_embed[:, 1:].reshape(1, 4, 4, 384)
    resized = F.interpolate(
        grid.permute(0, 3, 1, 2), size=(5, 5), mode="bicubic", antialias=True, align_corners=False
    )
    expected = torch.cat([first, resized.permute(0, 2, 3, 1).reshape(1, 25, 384)], dim=1)
    torch.testing.assert_close(network.network.network.pos_embed, expected)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "blocks", "patch"),
    [
        ("vit_base_patch14_dinov2", [2, 5, 8, 11], 14),
        ("vit_large_patch14_dinov2", [4, 10, 16, 23], 14),
        ("vit_small_patch16_dinov3", [2, 5, 8, 11], 16),
    ],
)
def test_published_blocks_are_looked_at(name: str, blocks: list[int], patch: int) -> None:
    known = Timm().architecture(name)
    assert [tap.module for tap in known.taps] == [f"blocks.{k}" for k in blocks]
    assert known.patch == patch
    assert known.class_token is not None


def test_colours_are_those_of_its_own_training(tmp_path: Path) -> None:
    path, _ = stored(tmp_path, "test_vit2")
    cfg = timm.get_pretrained_cfg("test_vit2")
    assert cfg.mean != (0.485, 0.456, 0.406)
    network = built(find_network(f"timm:test_vit2:{path}"), side=64)
    torch.testing.assert_close(network.mean.flatten(), torch.tensor(cfg.mean))
    torch.testing.assert_close(network.std.flatten(), torch.tensor(cfg.std))
    assert [tap.stride for tap in network.taps] == [16, 16]  # it has no class token


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet81", r"--features timm:resnet81 is unknown to timm, .* Did you mean resnet"),
        ("resnet18.of_nobody", "timm:resnet18.of_nobody is unknown to timm, expected one of"),
        ("swin_tiny_patch4_window7_224", "gives no maps of images of any side"),
        ("vit_base_r50_s16_224", "gives no maps of images of any side"),
        ("naflexvit_base_patch16_gap", "gives no maps of images of any side"),
        ("tnt_s_patch16_224", "gives no maps of images of any side"),
        ("mvitv2_tiny", "gives no maps of images of any side"),
    ],
)
def test_what_is_no_such_network_is_told(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_network(f"timm:{name}")


def test_a_timm_that_is_too_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm, "__version__", "1.0.9.dev0")
    with pytest.raises(UserError, match=r"found timm 1\.0\.9\.dev0, expected 1\.0\.24 or later"):
        find_network("timm:test_vit")


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path, whole = stored(tmp_path, "test_resnet")
    with pytest.raises(
        UserError, match=r"does not fit \(Missing key.*the weights of timm's test_v"
    ):
        built(find_network(f"timm:test_vit:{path}"), side=64)
    state = whole.state_dict()
    state["layer2.0.conv1.weight"][0, 0, 0, 0] = torch.nan
    torch.save(state, tmp_path / "broken.pth")
    with pytest.raises(UserError, match=r"values in layer2\.0\.conv1\.weight that are not finite"):
        built(find_network(f"timm:test_resnet:{tmp_path / 'broken.pth'}"), side=64)
    torch.save({}, tmp_path / "empty.pth")  # for which timm would download others
    with pytest.raises(UserError, match=r"empty\.pth holds no tensors, but must be the weights of"):
        built(find_network(f"timm:test_resnet:{tmp_path / 'empty.pth'}"), side=64)
    torch.save(whole, tmp_path / "pickled.pth")
    with pytest.raises(UserError, match="pickled objects, which are never loaded"):
        built(find_network(f"timm:test_resnet:{tmp_path / 'pickled.pth'}"), side=64)


@pytest.mark.parametrize("shape", [(), (17,), (1, 8, 64)])
def test_positions_of_no_square_of_patches_are_refused(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    _, whole = stored(tmp_path, "test_vit")
    torch.save(whole.state_dict() | {"pos_embed": torch.zeros(shape)}, tmp_path / "wrong.pth")
    with pytest.raises(UserError, match="does not fit"):
        built(find_network(f"timm:test_vit:{tmp_path / 'wrong.pth'}"), side=64)


def test_absent_weights_are_told_with_their_address_and_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def offline(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", offline)
    with pytest.raises(WeightsAbsentError) as absent:
        find_network("timm:test_resnet.r160_in1k")
    place = tmp_path / "hub/checkpoints/timm-test_resnet.r160_in1k.safetensors"
    told = str(absent.value)
    assert (
        f"timm/test_resnet.r160_in1k/resolve/main/model.safetensors and place it at {place}" in told
    )
    assert (
        "give it with --features timm:test_resnet.r160_in1k:FILE, or leave --features out" in told
    )
    place.parent.mkdir(parents=True)
    path, _ = stored(tmp_path, "test_resnet")
    path.rename(place)
    assert (
        find_network("timm:test_resnet").file.path == place
    )  # the same weights, asked for in short
    found = find_network("timm:test_resnet.r160_in1k")
    assert found.file.path == place
    assert found.identity == f"timm:test_resnet.r160_in1k {file_digest(place)}"
    built(found, side=64)


def test_what_timm_has_downloaded_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--timm--test_resnet.r160_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("0123456789abcdef")
    (folder / "snapshots/0123456789abcdef").mkdir(parents=True)
    path, _ = stored(tmp_path, "test_resnet")
    place = path.rename(folder / "snapshots/0123456789abcdef/model.safetensors")
    assert find_network("timm:test_resnet.r160_in1k").file.path == place
