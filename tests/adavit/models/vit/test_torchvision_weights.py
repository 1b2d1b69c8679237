import copy

import pytest
import torch
from torchvision.models import VisionTransformer

from adavit.errors import UserError
from adavit.models.vit.encoder import VisionEncoder
from adavit.models.vit.torchvision_weights import load_torchvision_weights
from tests.networks import make_encoder, make_vit


def theirs(seed: int = 0) -> VisionTransformer:
    torch.manual_seed(seed)
    network = VisionTransformer(
        image_size=24, patch_size=8, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=64
    )
    with torch.no_grad():  # what starts at 0 or 1 must be seen too
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def ours(size: tuple[int, int] = (24, 24), **parts: object) -> VisionEncoder:
    torch.manual_seed(5)
    sizes = {"patch": 8, "width": 32, "depth": 3, "heads": 4, "mlp_ratio": 2.0, "layer_scale": 0.1}
    encoder = make_encoder(
        image_size=size, image_channels=3, **{**sizes, "attention": "dot", **parts}
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
    network, encoder, images = theirs(), ours(), torch.randn(2, 3, 24, 24)
    load_torchvision_weights(encoder, network.state_dict())
    with torch.no_grad():
        features = encoder.norm(encoder(images, twice_differentiable=twice))
        torch.testing.assert_close(features, their_features(network, images), rtol=0, atol=1e-5)
        network.heads = torch.nn.Identity()
        torch.testing.assert_close(features[:, 0], network(images), rtol=0, atol=1e-5)


def test_the_names_of_the_published_files_are_known() -> None:
    state, images = theirs().state_dict(), torch.randn(2, 3, 24, 24)
    earlier = {
        name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): tensor
        for name, tensor in state.items()
    }
    results = []
    for names in (state, earlier):
        encoder = ours()
        load_torchvision_weights(encoder, names)
        results.append(encoder(images, twice_differentiable=False))
    assert torch.equal(*results)


def test_weights_of_one_resolution_serve_another_and_stay_as_they_are() -> None:
    state = theirs().state_dict()
    before = copy.deepcopy(state)
    encoder = ours((40, 16))
    load_torchvision_weights(encoder, state)
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
    load_torchvision_weights(discriminator.encoder, theirs().state_dict())
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
        load_torchvision_weights(ours(**parts), theirs().state_dict())


def test_other_weights_are_refused_with_a_remedy() -> None:
    with pytest.raises(UserError, match=r"hold conv1.weight, \.\.\., expected .*VisionTransformer"):
        load_torchvision_weights(ours(), {"conv1.weight": torch.zeros(1)})


@pytest.mark.slow
def test_vit_b_16_loads_as_torchvision_builds_it() -> None:
    from torchvision.models import vit_b_16

    torch.manual_seed(0)
    network = vit_b_16().eval()
    encoder = ours((224, 224), patch=16, width=768, depth=12, heads=12, mlp_ratio=4.0)
    load_torchvision_weights(encoder, network.state_dict())
    images = torch.randn(1, 3, 224, 224)
    network.heads = torch.nn.Identity()
    with torch.no_grad():
        features = encoder(images, twice_differentiable=False, class_token_only=True)
        torch.testing.assert_close(encoder.norm(features)[:, 0], network(images), rtol=0, atol=1e-5)
