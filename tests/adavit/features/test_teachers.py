"""timm's own networks are the reference; those called test_... are small, and as their large kin."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from adavit.errors import UserError
from adavit.features.published_vit import PublishedTrunk
from adavit.features.teachers import find_transformer, transformer_width
from adavit.metrics.extractors.weight_files import file_digest
from tests.published_vit import write_published


def test_torchvisions_network_is_found_with_its_width(tmp_path: Path) -> None:
    named = write_published(tmp_path / "vit.pth")
    found = find_transformer(named)
    assert isinstance(found, PublishedTrunk)
    assert found.width == transformer_width("torchvision:vit_b_16") == 768
    teacher = found.teacher(resolution=16, image_channels=1, patch=8)
    assert teacher(torch.zeros(2, 1, 16, 16)).shape == (2, 5, 768)


def test_a_file_that_is_not_there_is_named_as_the_setting_names_it() -> None:
    message = (
        r"^--set training\.distill_network=torchvision:vit_b_16:none names no file.* leave"
        r" training\.distill_weight out\.$"
    )
    with pytest.raises(UserError, match=message):
        find_transformer("torchvision:vit_b_16:none")


@pytest.fixture
def timm() -> Any:
    return pytest.importorskip("timm", reason="timm is not installed")


def stored(timm: Any, folder: Path, name: str) -> tuple[str, Any]:
    """How settings name a file of random weights, and the network that they are of."""
    torch.manual_seed(0)
    whole = timm.create_model(name, img_size=64).eval()
    save_file(whole.state_dict(), folder / "weights.safetensors")
    return f"timm:{name}:{folder / 'weights.safetensors'}", whole


@pytest.mark.parametrize("name", ["test_vit", "deit_tiny_distilled_patch16_224"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tokens_of_timm_are_those_after_the_last_norm_of_as_many_patches(
    timm: Any, tmp_path: Path, name: str, channels: int
) -> None:
    named, whole = stored(timm, tmp_path, name)
    found = find_transformer(named)
    assert found.identity == f"timm:{name} {file_digest(tmp_path / 'weights.safetensors')}"
    assert found.width == transformer_width(f"timm:{name}") == whole.embed_dim
    teacher = found.teacher(resolution=32, image_channels=channels, patch=8)  # 16 patches
    images = torch.rand(2, channels, 32, 32) * 2 - 1
    tokens = teacher(images)
    colours = images[:, :3].expand(-1, 3, -1, -1) / 2 + 0.5
    if channels == 4:
        alpha = images[:, 3:] / 2 + 0.5
        colours = colours * alpha + 0.5 * (1 - alpha)
    large = F.interpolate(colours, (64, 64), mode="bilinear", align_corners=False)
    mean, std = (torch.tensor(whole.pretrained_cfg[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    with torch.no_grad():
        expected = whole.forward_features((large - mean) / std)
    prefix = whole.num_prefix_tokens
    expected = torch.cat([expected[:, :1], expected[:, prefix:]], dim=1)
    assert tokens.shape == (2, 17, whole.embed_dim)
    torch.testing.assert_close(tokens, expected, rtol=0, atol=2e-5)
    assert not any(weight.requires_grad for weight in teacher.parameters())


@pytest.mark.parametrize(
    ("patch", "grid"), [(4, (6, 10)), ("3x5", (8, 8))], ids=["square", "oblong"]
)
def test_timm_sees_other_shapes_in_as_many_rows_and_columns_of_patches(
    timm: Any, tmp_path: Path, patch: int | str, grid: tuple[int, int]
) -> None:
    seen = (16 * grid[0], 16 * grid[1])
    named, _ = stored(timm, tmp_path, "test_vit")
    weights = {"state_dict": load_file(tmp_path / "weights.safetensors")}
    whole = timm.create_model(
        "test_vit", img_size=seen, pretrained=True, pretrained_cfg_overlay=weights
    ).eval()
    teacher = find_transformer(named).teacher(resolution="24x40", image_channels=3, patch=patch)
    images = torch.rand(2, 3, 24, 40) * 2 - 1
    tokens = teacher(images)
    assert tokens.shape == (2, 1 + grid[0] * grid[1], whole.embed_dim)
    large = F.interpolate(images / 2 + 0.5, seen, mode="bilinear", align_corners=False)
    mean, std = (torch.tensor(whole.pretrained_cfg[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    with torch.no_grad():
        expected = whole.forward_features((large - mean) / std)
    expected = torch.cat([expected[:, :1], expected[:, whole.num_prefix_tokens :]], dim=1)
    torch.testing.assert_close(tokens, expected, rtol=0, atol=2e-5)


def test_torchvisions_network_sees_other_shapes_in_the_discriminators_patches(
    tmp_path: Path,
) -> None:
    found = find_transformer(write_published(tmp_path / "vit.pth"))
    teacher = found.teacher(resolution="48x32", image_channels=4, patch="16x8")
    images = torch.rand(1, 4, 48, 32) * 2 - 1
    tokens = teacher(images)
    assert tokens.shape == (1, 1 + 3 * 4, 768)
    mirrored = teacher(images.flip(3))  # swaps the columns, and with them where a token is
    assert (tokens - mirrored).abs().max() > 1e-3


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("name", ["test_resnet", "test_vit3"])
def test_what_has_no_class_token_is_refused(name: str) -> None:
    for look in (transformer_width, find_transformer):
        with pytest.raises(
            UserError, match=rf"^--set training\.distill_network=timm:{name}:.* has no class token"
        ):
            look(f"timm:{name}:weights.safetensors")


def test_what_timm_refuses_is_told_in_words_of_the_setting(timm: Any, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^--set training\.distill_network=timm:vit_of_mine is unknown"
    ):
        find_transformer("timm:vit_of_mine")
    with pytest.raises(
        UserError, match=r"^--set training\.distill_network=timm:test_vit:none names"
    ):
        find_transformer("timm:test_vit:none")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(UserError, match=r"^--set training\.distill_network=.* is empty or of an"):
        find_transformer(f"timm:test_vit:{tmp_path / 'text.pth'}")
    named, _ = stored(timm, tmp_path, "test_vit")
    other = named.replace("test_vit", "deit_tiny_patch16_224")
    found = find_transformer(other)
    with pytest.raises(UserError, match=r"^--set training\.distill_network=timm:deit_tiny") as told:
        found.teacher(resolution=32, image_channels=3, patch=8)
    assert "leave training.distill_weight out" in str(told.value)
    assert "--features" not in str(told.value)
