from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import resnet18, vit_b_16

from adavit.errors import UserError
from adavit.features.names import NamedBy
from adavit.features.published_vit import (
    PublishedTeacher,
    PublishedTrunk,
    read_published_trunk,
)
from adavit.metrics.extractors.weight_files import WeightsAbsentError, file_digest
from tests.networks import make_encoder
from tests.published_vit import published_state, write_published

NAMED_BY = NamedBy("--set a.key=", "leave a.key out")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_published(tmp_path_factory.mktemp("weights") / "vit.pth")


@pytest.fixture(scope="module")
def trunk(named: str) -> PublishedTrunk:
    return read_published_trunk(named, NAMED_BY)


def their_tokens(images: Tensor) -> Tensor:
    """Of torchvision's own network, from RGB images [B, 3, 32, 32] in [-1, 1]."""
    with torch.device("meta"):
        network = vit_b_16(image_size=32).eval()
    network.load_state_dict(published_state(), assign=True)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, STD))
    with torch.no_grad():
        patches = network._process_input(((images + 1) / 2 - mean) / std)
        first = network.class_token.expand(len(images), -1, -1)
        tokens: Tensor = network.encoder(torch.cat([first, patches], dim=1))
    return tokens


def test_the_tokens_are_those_of_torchvisions_network(trunk: PublishedTrunk) -> None:
    state = torch.get_rng_state()
    teachers = [
        PublishedTeacher(trunk, resolution=32, image_channels=channels, patch=16)
        for channels in (3, 1, 4)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    rgb = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    grey, alpha = rgb[:, :1], rgb[:, 1:2]
    rgba = torch.cat([rgb, alpha], dim=1)
    on_grey = rgb * (alpha + 1) / 2
    seen = torch.cat([rgb, grey.expand(-1, 3, -1, -1), on_grey])
    expected = their_tokens(seen).split(2)
    for teacher, images, tokens in zip(teachers, (rgb, grey, rgba), expected, strict=True):
        found = teacher(images)
        assert found.shape == (2, 5, 768)
        torch.testing.assert_close(found, tokens, rtol=0, atol=2e-5)
        assert not any(weight.requires_grad for weight in teacher.parameters())
        assert not found.requires_grad


def test_an_encoder_takes_them_and_is_then_the_same_network(trunk: PublishedTrunk) -> None:
    encoder = make_encoder(
        image_size=(32, 32), image_channels=3, patch=16, **trunk.arguments, layer_scale=0.1
    )
    encoder.load_state_dict(trunk.fitted_to(encoder))
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        found = encoder.norm(encoder(images, twice_differentiable=True))
    torch.testing.assert_close(found, their_tokens(images), rtol=0, atol=2e-5)


def test_it_says_what_it_is(trunk: PublishedTrunk) -> None:
    assert trunk.identity == f"torchvision:vit_b_16 {file_digest(trunk.path)}"
    assert trunk.seen == (trunk.identity,)


def test_weights_of_another_side_and_with_other_classes_fit_too(tmp_path: Path) -> None:
    state = published_state(side=96)
    state["heads.head.weight"] = torch.zeros(7, 768)
    state["heads.head.bias"] = torch.zeros(7)
    torch.save(state, tmp_path / "vit.pth")
    trunk = read_published_trunk(f"torchvision:vit_b_16:{tmp_path / 'vit.pth'}", NAMED_BY)
    teacher = PublishedTeacher(trunk, resolution=16, image_channels=3, patch=8)
    assert teacher.encoder.position.table.shape == (1, 5, 768)
    position = state["encoder.pos_embedding"]
    torch.testing.assert_close(teacher.encoder.position.table[:, 0], position[:, 0])


def like_the_published(**others: Tensor) -> dict[str, Tensor]:
    """A small file of the right names and shapes, but for those given."""
    with torch.device("meta"):
        shapes = vit_b_16(image_size=32).state_dict()
    right = {name: torch.zeros(1).expand(tensor.shape) for name, tensor in shapes.items()}
    return right | {name.replace("__", "."): tensor for name, tensor in others.items()}


def without_the_last_block() -> dict[str, Tensor]:
    return {name: t for name, t in like_the_published().items() if "layer_11" not in name}


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "pickled": (resnet18, "pickled objects, which are never loaded"),
    "another network": (lambda: resnet18().state_dict(), "lacks .* tensors"),
    "a block missing": (without_the_last_block, r"lacks 14 tensors \(first: \['blocks\.11\."),
    "other kernels": (
        lambda: like_the_published(conv_proj__weight=torch.zeros(768, 3, 8, 8)),
        r"shape \(768, 192\) instead of \(768, 768\)",
    ),
    "no square of positions": (
        lambda: like_the_published(encoder__pos_embedding=torch.zeros(1, 7, 768)),
        r"shape \(1, 7, 768\) instead",
    ),
    "not finite": (
        lambda: like_the_published(encoder__ln__bias=torch.full((768,), torch.inf)),
        r"norm\.bias that are not finite",
    ),
    "no tensors": (lambda: {"a": 3}, "does not hold tensors by name"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_files_are_refused_by_name(what: str, tmp_path: Path) -> None:
    content, message = WRONG[what]
    torch.save(content(), tmp_path / "wrong.pth")
    with pytest.raises(UserError, match=message) as caught:
        read_published_trunk(f"torchvision:vit_b_16:{tmp_path / 'wrong.pth'}", NAMED_BY)
    said = str(caught.value)
    assert said.startswith(f"--set a.key=torchvision:vit_b_16:{tmp_path / 'wrong.pth'} ")
    assert "leave a.key out" in said


def test_the_file_that_the_wrong_ones_differ_from_is_taken(tmp_path: Path) -> None:
    torch.save(like_the_published(), tmp_path / "right.pth")
    read_published_trunk(f"torchvision:vit_b_16:{tmp_path / 'right.pth'}", NAMED_BY)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--set a\.key=torchvision:vit_b_16:none names no file"):
        read_published_trunk("torchvision:vit_b_16:none", NAMED_BY)


def test_the_published_download_is_looked_for_where_torchvision_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", offline)
    with pytest.raises(WeightsAbsentError, match=r"vit_b_16-[0-9a-f]{8}\.pth") as absent:
        read_published_trunk("torchvision:vit_b_16", NAMED_BY)
    assert "--set a.key=torchvision:vit_b_16:FILE, or leave a.key out" in str(absent.value)
