from typing import Any

import pytest
import torch

from adavit.models import Generator
from adavit.models.fitting import load_fitting, resized_grid
from adavit.models.pixel_noise import LearnedNoise
from adavit.models.san import slice_last_layers
from adavit.training.start.alignment import (
    DENSE,
    OfferedTensors,
    aligned_discriminator,
    aligned_generator,
)
from tests.adavit.models.test_discriminators import drawn, small
from tests.networks import GENERATOR, make_generator, make_resnet, make_vit

SMALL: dict[str, Any] = {
    **{"resolution": 16, "latent_dim": 6, "style_dim": 6, "num_classes": 2},
    **{"channel_base": 64, "channel_max": 8, "mapping_layers": 2},
}


def drawn_generator(seed: int, **changes: Any) -> Generator:
    """A generator somewhere in training: no number is what it began as."""
    torch.manual_seed(seed)
    network = make_generator(**SMALL, **changes)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
        for layer in noises(network).values():
            layer.strength.fill_(0.03)
    return network


def noises(network: Generator) -> dict[str, LearnedNoise]:
    return {name: part for name, part in network.named_modules() if isinstance(part, LearnedNoise)}


def offered_to(network: Generator, source: Generator, **made_with: Any) -> OfferedTensors:
    """What is offered, and loaded."""
    arguments = {**GENERATOR, **SMALL, **made_with}
    given = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    offer = aligned_generator(source.state_dict(), arguments, network)
    torch.testing.assert_close(source.state_dict(), given, rtol=0, atol=0)
    load_fitting(network, offer.tensors)
    return offer


@pytest.mark.parametrize(("there", "here"), [(0.1, 0.01), (0.01, 0.1), (0.01, 0.01)])
def test_styles_stay_whatever_their_learning_rate(there: float, here: float) -> None:
    source = drawn_generator(1, mapping_lr_multiplier=there)
    network = drawn_generator(2, mapping_lr_multiplier=here)
    offered_to(network, source, mapping_lr_multiplier=there)
    latents, labels = torch.randn(9, 6), torch.arange(9) % 2
    with torch.no_grad():  # rounded once more where they differ
        expected, found = (each.mapping(latents, labels) for each in (source, network))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * (there != here))
        images = [each(latents, labels) for each in (source, network)]
    torch.testing.assert_close(*images, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("there", "here"), [("learned", "bounded"), ("bounded", "learned")])
def test_noise_is_as_strong_in_another_form(there: str, here: str) -> None:
    source, network = drawn_generator(1, noise=there), drawn_generator(2, noise=here)
    offer = offered_to(network, source, noise=there)
    assert not offer.withheld
    pairs = zip(noises(source).values(), noises(network).values(), strict=True)
    for before, after in pairs:
        assert before.strength != after.strength
        torch.testing.assert_close(after.used_strength(), before.used_strength())


@pytest.mark.parametrize("strength", [0.4, -0.1])
def test_noise_beyond_its_bound_is_left_out_by_name(strength: float) -> None:
    source, network = drawn_generator(1), drawn_generator(2, noise="bounded")
    name, layer = list(noises(source).items())[1]
    torch.nn.init.constant_(layer.strength, strength)
    offer = offered_to(network, source)
    assert offer.withheld == {f"{name}.strength": "there beyond the 0.1 of bounded noise"}
    assert noises(network)[name].strength.item() == pytest.approx(0.03)


def test_generators_without_noise_take_over_and_offer_none() -> None:
    source, network = drawn_generator(1, noise="none"), drawn_generator(2, noise="bounded")
    before = {name: part.strength.clone() for name, part in noises(network).items()}
    offered_to(network, source, noise="none")
    assert {name: part.strength for name, part in noises(network).items()} == before
    without = drawn_generator(2, noise="none")
    assert not offered_to(without, network, noise="bounded").withheld


@pytest.mark.parametrize(("there", "here"), [("48x32", "32x48"), ("32x48", "48x32")])
def test_places_of_an_upright_grid_are_not_those_of_one_on_its_side(there: str, here: str) -> None:
    torch.manual_seed(0)
    shape = {"channel_base": 64, "channel_max": 8}
    source, network = (make_resnet(resolution=size, **shape) for size in (there, here))
    given = source.state_dict()
    offer = aligned_discriminator(given, {"resolution": there}, network)
    before, now = source.resolution.smallest, network.resolution.smallest
    maps = given[DENSE].unflatten(1, (8, *before))
    expected = resized_grid(maps.flatten(0, 1)[None], tuple(now))[0].reshape(8, -1)
    torch.testing.assert_close(offer.tensors[DENSE], expected, rtol=0, atol=0)
    assert offer.remarks == [f"{DENSE} resized from {before} to {now}"]
    assert not torch.equal(offer.tensors[DENSE], given[DENSE])
    # An upper left place stays one.
    weight = torch.zeros_like(maps)
    weight[:, :, 0, 0] = 1
    moved = aligned_discriminator({DENSE: weight.flatten(1)}, {"resolution": there}, network)
    places = moved.tensors[DENSE].unflatten(1, (8, *now))
    assert (places.flatten(2).argmax(dim=2) == 0).all()


def test_a_dense_layer_of_another_width_is_left_as_it_is() -> None:
    source = make_resnet(resolution="48x32", channel_base=64, channel_max=4)
    network = make_resnet(resolution="32x48", channel_base=64, channel_max=8)
    offer = aligned_discriminator(source.state_dict(), {"resolution": "48x32"}, network)
    assert torch.equal(offer.tensors[DENSE], source.state_dict()[DENSE])
    assert not offer.remarks


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("kind", ["resnet", "r3gan", "vit"])
def test_logits_stay_with_the_last_layer_of_san_and_without(
    kind: str, classes: int, before: bool
) -> None:
    source, network = (small(kind, seed, num_classes=classes) for seed in (1, 2))
    with torch.no_grad():  # somewhere in training
        for parameter in source.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    slice_last_layers(source if before else network)
    if before:
        with torch.no_grad():
            source.get_parameter("head.scale").mul_(2)
            if not classes:
                source.get_parameter("head.dense.bias").add_(0.5)
    made_with = {"resolution": 16, **({"patch": 4} if kind == "vit" else {})}
    offer = aligned_discriminator(source.state_dict(), made_with, network)
    assert load_fitting(network, offer.tensors) == network.state_dict().keys()
    assert not offer.remarks
    images, labels = drawn(4), torch.tensor([2, 0, 1, 2]) if classes else None
    with torch.no_grad():
        expected, found = source(images, labels), network(images, labels)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_what_a_last_layer_cannot_be_is_said() -> None:
    source, network = (small("resnet", seed, num_classes=3) for seed in (1, 2))
    slice_last_layers(source)
    torch.nn.init.constant_(source.get_parameter("head.scale")[1], 9)
    offer = aligned_discriminator(source.state_dict(), {"resolution": 16}, network)
    assert offer.remarks == ["head without a scale of each class"]


def test_a_last_layer_of_other_classes_is_offered_as_it_is() -> None:
    source, network = small("resnet", 1, num_classes=3), small("resnet", 2, num_classes=2)
    slice_last_layers(network)
    offer = aligned_discriminator(source.state_dict(), {"resolution": 16}, network)
    torch.testing.assert_close(offer.tensors, dict(source.state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_a_drawn_last_layer_of_san_starts_as_it_is_drawn(kind: str, classes: int) -> None:
    size, there, here = {"resnet": ("channel_max", 16, 8), "vit": ("width", 48, 24)}[kind]
    source = small(kind, 1, num_classes=classes, **{size: there})
    network = small(kind, 2, num_classes=classes, **{size: here})
    for each in (source, network):
        slice_last_layers(each)
    torch.nn.init.constant_(source.get_parameter("head.scale"), 30)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    made_with = {"resolution": 16, **({"patch": 4} if kind == "vit" else {})}
    offer = aligned_discriminator(source.state_dict(), made_with, network)
    load_fitting(network, offer.tensors)
    for name in ("head.scale", *([] if classes else ["head.dense.radius"])):
        assert name in before
        assert torch.equal(network.state_dict()[name], before[name]), name


@pytest.mark.parametrize("position", ["learned1d", "learned2d", "relative"])
@pytest.mark.parametrize(
    ("there", "here"),
    [(("12x20", "cls"), ("16x16", "gap")), (("16x16", "gap"), ("12x20", "cls"))],
)
def test_a_class_token_gives_no_patch_the_place_of_another(
    there: tuple[str, str], here: tuple[str, str], position: str
) -> None:
    torch.manual_seed(0)
    shared = {"width": 16, "heads": 2, "depth": 1, "patch": 4, "position_embedding": position}
    source, network = (
        make_vit(resolution=size, readout=readout, **shared) for size, readout in (there, here)
    )
    made_with = {**shared, "resolution": there[0], "readout": there[1]}
    named = [name for name in network.state_dict() if ".position." in name]
    before = {name: network.state_dict()[name].clone() for name in named}
    offer = aligned_discriminator(source.state_dict(), made_with, network)
    assert set(named) <= load_fitting(network, offer.tensors)
    assert all(not torch.equal(network.state_dict()[name], before[name]) for name in named)
    if position == "learned1d":
        (name,) = named
        table, given = network.state_dict()[name], source.state_dict()[name]
        from_cls = there[1] == "cls"
        grid = given[0, from_cls:].T.unflatten(1, (3, 5) if from_cls else (4, 4))[None]
        expected = resized_grid(grid, (4, 4) if from_cls else (3, 5))[0].flatten(1).T
        torch.testing.assert_close(table[0, not from_cls :], expected, rtol=0, atol=0)
        if not from_cls:
            assert torch.equal(table[:, 0], before[name][:, 0])


def test_a_table_of_another_grid_than_is_said_is_withheld() -> None:
    shared = {"width": 16, "heads": 2, "depth": 1, "patch": 4}
    source, network = (make_vit(resolution=16, **shared) for _ in range(2))
    made_with = {**shared, "resolution": "16x32"}
    offer = aligned_discriminator(source.state_dict(), made_with, network)
    name = "encoder.position.table"
    assert offer.withheld == {name: "there of another grid"}
    left = network.state_dict().keys() - load_fitting(network, offer.tensors)
    assert left == {name}
