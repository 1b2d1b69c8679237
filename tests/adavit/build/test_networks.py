"""From a configuration to networks."""

import pytest
import torch

from adavit.build.networks import build_discriminator, build_networks, generator_arguments
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import ResolvedConfig
from adavit.models import Generator, ResNetDiscriminator, ViTDiscriminator
from adavit.models.distillation import PREDICTORS
from adavit.models.masked_patches.prediction import HEAD
from adavit.models.san import SanLayer
from adavit.runtime.resolution import Resolution
from tests.networks import make_generator

SMALL = {
    "generator": {"latent_dim": 6, "style_dim": 5, "channel_base": 64, "channel_max": 8},
    "run": {"seed": 3},
}


def config(**sections: dict) -> ResolvedConfig:
    return resolve(build_config([SMALL, sections]), RunFacts(Resolution.of(16), 100, "cpu"))


def test_the_generator_has_the_sizes_of_the_configuration() -> None:
    generator, _ = build_networks(config(), image_channels=1, num_classes=3)
    arguments = generator_arguments(
        config().generator, resolution=Resolution(16, 16), image_channels=1, num_classes=3
    )
    assert isinstance(generator, Generator)
    assert (arguments["latent_dim"], arguments["style_dim"]) == (6, 5)
    assert generator(torch.zeros(2, 6), torch.tensor([0, 2])).shape == (2, 1, 16, 16)
    assert generator.w_average.shape == (5,)
    rebuilt = make_generator(**arguments)
    assert {k: v.shape for k, v in rebuilt.state_dict().items()} == {
        k: v.shape for k, v in generator.state_dict().items()
    }


@pytest.mark.parametrize("kind", ["resnet", "vit"])
@pytest.mark.parametrize(("size", "channels"), [("24x40", 1), ("48x32", 4)])
def test_both_networks_have_the_shape_of_the_configuration(
    kind: str, size: str, channels: int
) -> None:
    sections = {"discriminator": {"kind": kind}, "data": {"resolution": size}}
    shape = Resolution.of(size)
    chosen = resolve(build_config([SMALL, sections]), RunFacts(shape, 100, "cpu"))
    generator, discriminator = build_networks(chosen, image_channels=channels, num_classes=0)
    images = generator(torch.zeros(4, 6))
    assert images.shape == (4, channels, *shape)
    assert discriminator(images).shape == (4,)
    arguments = generator_arguments(
        chosen.generator, resolution=shape, image_channels=channels, num_classes=0
    )
    assert arguments["resolution"] == size
    make_generator(**arguments).load_state_dict(generator.state_dict())


@pytest.mark.parametrize(
    ("kind", "network"), [("resnet", ResNetDiscriminator), ("vit", ViTDiscriminator)]
)
def test_the_kind_decides_the_discriminator(kind: str, network: type) -> None:
    section = config(discriminator={"kind": kind}).discriminator
    made = build_discriminator(
        section, resolution=Resolution(16, 16), image_channels=3, num_classes=0
    )
    assert isinstance(made, network)
    assert made(torch.zeros(4, 3, 16, 16), None).shape == (4,)


def test_weights_are_drawn_from_the_seed_and_leave_the_global_stream_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    pairs = [
        build_networks(config(run={"seed": seed}), image_channels=3, num_classes=0)
        for seed in (3, 3, 4)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    for index in (0, 1):
        first, again, other = (
            torch.cat([p.flatten() for p in pair[index].parameters()]) for pair in pairs
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


@pytest.mark.parametrize("kind", ["resnet", "vit"])
@pytest.mark.parametrize("classes", [0, 3])
def test_san_changes_the_last_layer_alone_and_draws_nothing(kind: str, classes: int) -> None:
    plain, san = (
        build_networks(
            config(discriminator={"kind": kind}, training={"san": on}),
            image_channels=3,
            num_classes=classes,
        )
        for on in (False, True)
    )
    assert isinstance(san[1].get_submodule("head"), SanLayer)
    assert not isinstance(plain[1].get_submodule("head"), SanLayer)
    added = {"head.scale"} if classes else {"head.scale", "head.dense.bias"}
    for one, other in zip(plain, san, strict=True):
        found = dict(other.named_parameters())
        for name, value in one.named_parameters():
            assert name in added or torch.equal(found[name], value), name
    with torch.device("meta"):  # as memory is foreseen
        _, counted = build_networks(
            config(discriminator={"kind": kind}, training={"san": True}),
            image_channels=3,
            num_classes=classes,
        )
    assert counted.get_parameter("head.scale").is_meta


def test_masked_patches_bring_their_head() -> None:
    for weight, has_head in ((0.0, False), (0.2, True)):
        built = config(discriminator={"kind": "vit"}, training={"masked_patch_weight": weight})
        _, discriminator = build_networks(built, image_channels=3, num_classes=0)
        assert any(name == HEAD for name, _ in discriminator.named_children()) is has_head


def test_distillation_brings_its_predictors_and_changes_no_other_weight() -> None:
    networks = [
        build_networks(
            config(
                discriminator={"kind": "vit"}, training={"distill_weight": w, "distill_width": 9}
            ),
            image_channels=3,
            num_classes=0,
        )[1]
        for w in (0.0, 0.2)
    ]
    without, found = (network.state_dict() for network in networks)
    added = {name: tensor for name, tensor in found.items() if name not in without}
    assert {name.partition(".")[0] for name in added} == {PREDICTORS}
    assert added[f"{PREDICTORS}.of_class.4.weight"].shape == (768, 9)
    assert all(torch.equal(tensor, found[name]) for name, tensor in without.items())
