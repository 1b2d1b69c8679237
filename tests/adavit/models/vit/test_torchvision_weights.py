import copy

import pytest
import torch
from torchvision.models import VisionTransformer

from adavit.errors import UserError
from adavit.models.vit.encoder import VisionEncoder
from adavit.models.vit.torchvision_weights import (
    at_patch,
    fitted_state,
    load_torchvision_weights,
)
from adavit.runtime.patch import Patch
from tests.networks import make_encoder, make_vit

COLOURS = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}


def normalised(images: torch.Tensor) -> torch.Tensor:
    """As torchvision's networks take them, of images [B, 3, H, W] in [-1, 1]."""
    mean, std = (torch.tensor(COLOURS[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    return ((images + 1) / 2 - mean) / std


def load(encoder: VisionEncoder, state: dict[str, torch.Tensor]) -> None:
    load_torchvision_weights(encoder, state, **COLOURS)


def pictures(count: int = 2, channels: int = 3, side: int = 24) -> torch.Tensor:
    return torch.rand(count, channels, side, side) * 2 - 1


def theirs(seed: int = 0) -> VisionTransformer:
    torch.manual_seed(seed)
    network = VisionTransformer(
        image_size=24, patch_size=8, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=64
    )
    with torch.no_grad():  # what starts at 0 or 1 must be seen too
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def ours(
    size: tuple[int, int] = (24, 24), image_channels: int = 3, **parts: object
) -> VisionEncoder:
    torch.manual_seed(5)
    sizes = {"patch": 8, "width": 32, "depth": 3, "heads": 4, "mlp_ratio": 2.0, "layer_scale": 0.1}
    encoder = make_encoder(
        image_size=size, image_channels=image_channels, **{**sizes, "attention": "dot", **parts}
    )
    encoder.draw_weights()
    return encoder


def their_features(network: VisionTransformer, images: torch.Tensor) -> torch.Tensor:
    """All tokens after the last norm."""
    tokens = network._process_input(images)
    head = network.class_token.expand(len(images), -1, -1)
    return network.encoder(torch.cat([head, tokens], dim=1))


@pytest.mark.parametrize("twice", [False, True], ids=["fused", "exact"])
def test_features_are_those_of_torchvision(twice: bool) -> None:
    network, encoder, images = theirs(), ours(), pictures()
    load(encoder, network.state_dict())
    with torch.no_grad():
        features = encoder.norm(encoder(images, twice_differentiable=twice))
        expected = their_features(network, normalised(images))
        torch.testing.assert_close(features, expected, rtol=0, atol=2e-5)
        network.heads = torch.nn.Identity()
        torch.testing.assert_close(features[:, 0], network(normalised(images)), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("high", "wide"), [(2, 2), (4, 4), (6, 6), (12, 12), (16, 16), (3, 5), (12, 6), (8, 16)]
)
def test_another_patch_sees_each_patch_resized_to_theirs(high: int, wide: int) -> None:
    network = theirs()
    encoder = ours((3 * high, 3 * wide), patch=(high, wide))  # their grid of three by three
    load(encoder, network.state_dict())
    images = torch.rand(2, 3, 3 * high, 3 * wide) * 2 - 1
    patches = images.unflatten(3, (3, wide)).unflatten(2, (3, high))  # [B, 3, 3, P, 3, Q]
    patches = patches.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
    resized = torch.nn.functional.interpolate(
        patches, (8, 8), mode="bicubic", antialias=True, align_corners=False
    )
    seen = resized.view(2, 3, 3, 3, 8, 8).permute(0, 3, 1, 4, 2, 5).reshape(2, 3, 24, 24)
    with torch.no_grad():
        features = encoder.norm(encoder(images, twice_differentiable=False))
        expected = their_features(network, normalised(seen))
    torch.testing.assert_close(features, expected, rtol=0, atol=5e-5)


def test_their_own_patch_keeps_the_kernels_to_the_bit() -> None:
    kernels = torch.randn(5, 3, 8, 8)
    assert torch.equal(at_patch(kernels, Patch(8, 8)), kernels)


def test_grey_is_three_equal_colours() -> None:
    network, encoder, images = theirs(), ours(image_channels=1), pictures(channels=1)
    load(encoder, network.state_dict())
    with torch.no_grad():
        features = encoder.norm(encoder(images, twice_differentiable=False))
        expected = their_features(network, normalised(images.expand(-1, 3, -1, -1)))
    torch.testing.assert_close(features, expected, rtol=0, atol=2e-5)


def test_rgba_is_seen_on_a_grey_ground() -> None:
    network, encoder, images = theirs(), ours(image_channels=4), pictures(channels=4)
    images[:, 3] = images[:, 3].sign()
    images[:, :3] = torch.where(images[:, 3:] < 0, -1.0, images[:, :3])  # black beneath alpha 0
    load(encoder, network.state_dict())
    ground = torch.where(images[:, 3:] < 0, 0.0, images[:, :3])
    with torch.no_grad():
        features = encoder.norm(encoder(images, twice_differentiable=False))
        expected = their_features(network, normalised(ground))
    torch.testing.assert_close(features, expected, rtol=0, atol=2e-5)


def test_fewer_blocks_find_theirs_among_the_weights() -> None:
    encoder, state = ours(depth=2), theirs().state_dict()
    found = fitted_state(encoder, state, **COLOURS)
    own = encoder.state_dict()
    assert {name for name in found if name not in own} == {
        name for name in found if name.startswith("blocks.2.")
    }
    assert all(found[name].shape == tensor.shape for name, tensor in own.items())


def test_the_names_of_the_published_files_are_known() -> None:
    state, images = theirs().state_dict(), pictures()
    earlier = {
        name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): tensor
        for name, tensor in state.items()
    }
    results = []
    for names in (state, earlier):
        encoder = ours()
        load(encoder, names)
        results.append(encoder(images, twice_differentiable=False))
    assert torch.equal(*results)


def test_weights_of_one_resolution_serve_another_and_stay_as_they_are() -> None:
    state = theirs().state_dict()
    before = copy.deepcopy(state)
    encoder = ours((40, 16))
    load(encoder, state)
    assert encoder.position.table.shape == (1, 11, 32)
    torch.testing.assert_close(encoder.position.table[:, 0], state["encoder.pos_embedding"][:, 0])
    assert all(torch.equal(state[name], before[name]) for name in before)


def test_a_discriminator_takes_them_into_its_encoder() -> None:
    discriminator = make_vit(
        resolution=32,
        patch=8,
        width=32,
        depth=3,
        heads=4,
        mlp_ratio=2.0,
        stem="linear",
        attention="dot",
    )
    load(discriminator.encoder, theirs().state_dict())
    assert discriminator(torch.randn(2, 3, 32, 32)).isfinite().all()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"attention": "qknorm"}, "do not fit the encoder .*query_norm.*attention dot"),
        ({"depth": 2}, r"do not fit the encoder .*blocks\.2\."),
        ({"width": 64}, "do not fit the encoder .*size mismatch"),
        ({"position_embedding": "none"}, r"do not fit the encoder .*position\.table"),
        ({"position_embedding": "learned2d"}, r"do not fit the encoder .*position\.rows"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_a_remedy(
    parts: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load(ours(**parts), theirs().state_dict())


def test_other_weights_are_refused_with_a_remedy() -> None:
    with pytest.raises(UserError, match=r"hold conv1.weight, \.\.\., expected .*VisionTransformer"):
        load(ours(), {"conv1.weight": torch.zeros(1)})


@pytest.mark.slow
def test_vit_b_16_loads_as_torchvision_builds_it() -> None:
    from torchvision.models import vit_b_16

    torch.manual_seed(0)
    network = vit_b_16().eval()
    encoder = ours((224, 224), patch=16, width=768, depth=12, heads=12, mlp_ratio=4.0)
    load(encoder, network.state_dict())
    images = pictures(1, side=224)
    network.heads = torch.nn.Identity()
    with torch.no_grad():
        features = encoder(images, twice_differentiable=False, class_token_only=True)
        expected = network(normalised(images))
    torch.testing.assert_close(encoder.norm(features)[:, 0], expected, rtol=0, atol=2e-5)
