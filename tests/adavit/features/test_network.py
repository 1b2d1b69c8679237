import pytest
import torch
import torch.nn.functional as F
from torchvision.models import resnet18, vit_b_16
from torchvision.models.vision_transformer import interpolate_embeddings

from adavit.features.architectures import ARCHITECTURES, IMAGENET_MEAN, IMAGENET_STD, Tap
from adavit.features.network import FrozenNetwork
from adavit.features.weights import Weights

TAPS = ARCHITECTURES["resnet18"].taps


@pytest.fixture(scope="module")
def whole() -> torch.nn.Module:
    torch.manual_seed(3)
    network = resnet18(weights=None).eval()
    for module in network.modules():  # as training would have left them
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return network


def frozen(whole: torch.nn.Module, side: int = 64, **changes: object) -> FrozenNetwork:
    weights = Weights(whole.state_dict(), "FILE", "weights")
    return FrozenNetwork("resnet18", side=side, taps=TAPS[:3], weights=weights, **changes)  # type: ignore[arg-type]


@torch.no_grad()
def by_hand(whole: torch.nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """What torchvision's own network computes on the way to its classes."""
    seen = []
    hooks = [
        whole.get_submodule(tap.module).register_forward_hook(lambda *call: seen.append(call[2]))
        for tap in TAPS[:3]
    ]
    mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    whole((images / 2 + 0.5 - mean) / std)
    for hook in hooks:
        hook.remove()
    return seen


def test_maps_are_those_of_torchvisions_network(whole: torch.nn.Module) -> None:
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    torch.testing.assert_close(frozen(whole)(images), by_hand(whole, images))


def test_grey_is_repeated(whole: torch.nn.Module) -> None:
    grey = torch.rand(2, 1, 64, 64) * 2 - 1
    torch.testing.assert_close(
        frozen(whole)(grey), by_hand(whole, grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("given", "antialias"), [(32, False), (128, True)])
def test_images_are_brought_to_its_side(
    whole: torch.nn.Module, given: int, antialias: bool
) -> None:
    images = torch.rand(1, 3, given, given) * 2 - 1
    resized = F.interpolate(
        images, size=64, mode="bilinear", align_corners=False, antialias=antialias
    )
    torch.testing.assert_close(frozen(whole)(images), by_hand(whole, resized))


@pytest.mark.parametrize(
    ("given", "antialias"), [((24, 40), False), ((96, 48), True), ((48, 96), True)]
)
def test_images_of_another_shape_are_stretched_without_aliases(
    whole: torch.nn.Module, given: tuple[int, int], antialias: bool
) -> None:
    images = torch.rand(2, 3, *given) * 2 - 1
    seen = F.interpolate(
        images, (64, 64), mode="bilinear", align_corners=False, antialias=antialias
    )
    torch.testing.assert_close(frozen(whole)(images), by_hand(whole, seen), rtol=1e-4, atol=1e-5)


def test_a_network_without_patches_may_see_other_shapes(whole: torch.nn.Module) -> None:
    images = torch.rand(2, 3, 96, 64) * 2 - 1
    maps = frozen(whole, (96, 64))(images)  # type: ignore[arg-type]
    torch.testing.assert_close(maps, by_hand(whole, images), rtol=1e-4, atol=1e-5)


def test_colours_are_as_the_network_was_trained(whole: torch.nn.Module) -> None:
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    bytes_network = frozen(whole, mean=(0.4, 0.5, 0.6), std=(1 / 255,) * 3)
    mean = torch.tensor([102.0, 127.5, 153.0]).reshape(1, 3, 1, 1)  # of 255
    expected = (images + 1) * 127.5 - mean
    seen: list[torch.Tensor] = []
    bytes_network.network.network.conv1.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0])
    )
    bytes_network(images)
    torch.testing.assert_close(seen[0], expected, rtol=1e-5, atol=1e-3)


def test_nothing_of_it_is_trained(whole: torch.nn.Module) -> None:
    network = frozen(whole).train()
    assert not any(module.training for module in network.modules())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = torch.zeros(2, 3, 64, 64, requires_grad=True)
    sum(features.square().sum() for features in network(images)).backward()  # type: ignore[union-attr]
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_transformer_is_built_for_its_side_with_embeddings_of_another() -> None:
    torch.manual_seed(0)
    whole = vit_b_16(weights=None, image_size=64).eval()
    torch.nn.init.normal_(whole.encoder.pos_embedding)
    tap = Tap("encoder.layers.encoder_layer_1", 768, 16)
    token = Tap("encoder.ln", 768, None)
    weights = Weights(whole.state_dict(), "FILE", "weights")
    network = FrozenNetwork("vit_b_16", side=96, taps=[tap, token], weights=weights)
    larger = vit_b_16(weights=None, image_size=96).eval()
    larger.load_state_dict(interpolate_embeddings(96, 16, whole.state_dict()))
    seen: list[torch.Tensor] = []
    for looked_at in (tap, token):
        larger.get_submodule(looked_at.module).register_forward_hook(
            lambda *call: seen.append(call[2])
        )
    images = torch.rand(1, 3, 96, 96) * 2 - 1
    mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        larger((images / 2 + 0.5 - mean) / std)
        features, vector = network(images)
    tokens = seen[0][0, 1:]  # without the class token, row by row
    assert features.shape == (1, 768, 6, 6)
    torch.testing.assert_close(features[0, :, 2, 5], tokens[2 * 6 + 5])
    torch.testing.assert_close(vector, seen[1][:, 0].reshape(1, 768, 1, 1))
