"""What a discriminator minimises, against the formulas written out, and SAN in whole steps."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from adavit.augment import AugmentPipe
from adavit.features.discriminator import ProjectedDiscriminator
from adavit.models.last_layer import LastLayer
from adavit.models.san import SanLayer, SlicedDense, slice_last_layers, sliced
from adavit.training.objectives.discriminator_objective import (
    LogitsObjective,
    SanObjective,
    objective_of,
)
from adavit.training.objectives.feature_critic import FeatureObjective
from adavit.training.objectives.gradient_penalties import ExactPenalty
from adavit.training.objectives.losses import LOSSES
from adavit.training.passes.streams import StepStreams
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.average import GeneratorAverage
from tests.adavit.training.objectives.test_feature_critic import copied, make_objective
from tests.adavit.training.small_step import SETTINGS, assert_mean_of_slices
from tests.networks import make_generator, make_resnet, make_vit

LOSS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "non_saturating": lambda real, fake: softplus(-real) + softplus(fake),
    "hinge": lambda real, fake: (1 - real).relu() + (1 + fake).relu(),
}
BATCH, WEIGHT = 8, 0.7
VIT = {"resolution": 8, "patch": 2, "width": 16, "depth": 1, "heads": 2}
SIZES = {"resolution": 8, "channel_base": 64, "channel_max": 8}
NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "resnet": lambda classes: make_resnet(**SIZES, num_classes=classes),
    "r3gan": lambda classes: make_resnet(**SIZES, num_classes=classes, form="r3gan"),
    **{
        readout: lambda classes, readout=readout: make_vit(  # type: ignore[misc]
            **VIT, num_classes=classes, readout=readout, weight_constraint="sn"
        )
        for readout in ("cls", "gap", "cls+gap", "tokens")
    },
    "projected": lambda classes: ProjectedDiscriminator(
        make_objective(num_classes=classes).critic, image_channels=3
    ),
}


@dataclass(frozen=True)
class SomeJudged:
    logits: Tensor
    vectors: tuple[Tensor]


def test_a_plain_layer_learns_by_the_loss_of_the_logits() -> None:
    last = LastLayer(nn.Linear(4, 1))
    real, fake = (
        SomeJudged(last(vectors, None), (vectors,)) for vectors in torch.randn(2, 3, 4).unbind()
    )
    objective = objective_of(last)
    assert isinstance(objective, LogitsObjective)
    found = objective(LOSSES["hinge"], real, fake, None)
    assert torch.equal(found, LOSSES["hinge"].discriminator(real.logits, fake.logits))


@pytest.mark.parametrize("loss", LOSS)
def test_a_sliced_layer_learns_by_the_two_losses_of_the_paper(loss: str) -> None:
    torch.manual_seed(0)
    layer = sliced(LastLayer(nn.Linear(4, 1)))
    assert isinstance(layer, SlicedDense)
    with torch.no_grad():
        layer.get_parameter("scale").fill_(1.7)
        layer.get_parameter("dense.bias").copy_(torch.tensor([[0.3, -1.0, 0.5, 0.1]]))
    h_real, h_fake = (h.requires_grad_() for h in torch.randn(2, 5, 4).unbind())
    objective = objective_of(layer)
    assert isinstance(objective, SanObjective)
    judged = (SomeJudged(layer.read(h, None), (h,)) for h in (h_real, h_fake))
    found = objective(LOSSES[loss], *judged, None).mean()
    trained = [h_real, h_fake, *layer.parameters()]
    gradients = torch.autograd.grad(found, trained)

    weight, bias = layer.get_parameter("dense.weight"), layer.get_parameter("dense.bias")
    scale, b = layer.get_parameter("scale"), bias[0] / 2  # over the root of 4
    w, held = weight[0] / weight.norm(), (weight[0] / weight.norm()).detach()
    first = LOSS[loss](scale * ((h_real + b) @ held), scale * ((h_fake + b) @ held)).mean()
    means = (h_fake + b).detach().mean(dim=0) - (h_real + b).detach().mean(dim=0)
    second = scale.detach() * (w @ means)
    torch.testing.assert_close(found, first)  # what is reported
    expected = torch.autograd.grad(first + second, trained)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other)


def make_step(network: nn.Module, loss: str, classes: int = 0, **changes: Any) -> AdversarialStep:
    torch.manual_seed(1)
    generator = make_generator(**SIZES, latent_dim=6, style_dim=6, num_classes=classes)
    settings = {**SETTINGS, "loss": LOSSES[loss]}
    return AdversarialStep(
        generator=generator,
        discriminator=network,
        average=GeneratorAverage(generator, half_life_kimg=1, ramp=None),
        pipe=AugmentPipe(),
        **{**settings, **changes},
    )


def batch(classes: int) -> tuple[Tensor, Tensor | None]:
    images = torch.rand(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1
    return images, torch.arange(BATCH) % classes if classes else None


def sliced_network(name: str, classes: int) -> nn.Module:
    torch.manual_seed(0)
    network = NETWORKS[name](classes)
    slice_last_layers(network)
    with torch.no_grad():  # logits that a hinge tells from each other
        for layer in sliced_layers(network):
            layer.get_parameter("scale").mul_(5)
    return network


def sliced_layers(network: nn.Module) -> list[SanLayer]:
    return [part for part in network.modules() if isinstance(part, SanLayer)]


def copy_of(network: nn.Module) -> nn.Module:
    other = copy.deepcopy(network)
    if isinstance(other, ProjectedDiscriminator):  # see `copied`
        other.critic.frozen[0].eval()
    return other


def of_directions(network: nn.Module, classes: int) -> set[str]:
    """Names of the parameters that directions are made of."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = set()
    for layer in sliced_layers(network):
        part: Any = layer.projection if classes else layer.dense
        trained = part.parameters() if classes else [part.weight]
        found |= {names[id(parameter)] for parameter in trained}
    return found


@pytest.mark.parametrize("loss", LOSS)
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_has_the_gradients_of_two_textbook_losses_of_the_logits(
    name: str, classes: int, loss: str
) -> None:
    """The logits alone say the same: the direction learns by their difference, all else by the loss, both by R1."""
    network = sliced_network(name, classes)
    # A projected discriminator has none, as its network may have no second derivative.
    r1 = [] if name == "projected" else [ExactPenalty("r1", "real", 0.25, 1)]
    step = make_step(network, loss, classes, regularizers=r1)
    generator, discriminator = copy.deepcopy(step.generator), copy_of(network)
    real, labels = batch(classes)
    result = step(real, labels, images=0, streams=StepStreams.at(0, 0))

    source = StepStreams.at(0, 0).latents
    latents = torch.randn(BATCH, 6, generator=source)
    fake = generator(latents, labels, noise=source)
    real = real.requires_grad_()
    false = discriminator(fake, labels, twice_differentiable=True)
    shown = discriminator(real, labels, twice_differentiable=True)
    penalty = torch.zeros(())
    if r1:
        (slope,) = torch.autograd.grad(shown.sum(), real, create_graph=True)
        penalty = 0.25 * slope.square().sum(dim=(1, 2, 3)).mean()
    usual = LOSS[loss](shown, false).mean()
    apart = (false - shown).mean()
    torch.testing.assert_close(result.losses["loss_discriminator"], usual)
    directions = of_directions(network, classes)
    names, parameters = zip(*discriminator.named_parameters(), strict=True)
    for played, of_direction in ((usual, False), (apart, True)):
        expected = torch.autograd.grad(
            played + penalty, parameters, retain_graph=True, allow_unused=True
        )
        for key, gradient in zip(names, expected, strict=True):
            if (key in directions) is of_direction:
                found = network.get_parameter(key).grad
                torch.testing.assert_close(
                    found,
                    gradient,
                    rtol=1e-3,
                    atol=1e-5,
                    msg=lambda text, key=key: f"{key}: {text}",
                )
    fooling = softplus(-false).mean() if loss == "non_saturating" else -false.mean()
    expected = torch.autograd.grad(fooling, list(generator.parameters()), allow_unused=True)
    for (key, parameter), gradient in zip(step.generator.named_parameters(), expected, strict=True):
        torch.testing.assert_close(
            parameter.grad,
            gradient,
            rtol=1e-3,
            atol=1e-5,
            msg=lambda text, key=key: f"{key}: {text}",
        )


@pytest.mark.parametrize("name", ["resnet", "tokens"])
def test_a_direction_has_norm_1_after_every_step_and_turns(name: str) -> None:
    network = sliced_network(name, 0)
    step = make_step(network, "hinge", discriminator_lr=0.05)
    real, _ = batch(0)
    weight, radius = (
        network.get_parameter("head.dense.weight"),
        network.get_buffer("head.dense.radius"),
    )
    before = weight.detach().clone()
    for index in range(3):
        step(real, None, images=index * BATCH, streams=StepStreams.at(0, index * BATCH))
        assert (weight.norm() / radius).item() == pytest.approx(1, abs=1e-6)
    assert torch.cosine_similarity(weight, before).item() < 0.999


@pytest.mark.parametrize("classes", [0, 3])
def test_microbatches_add_up_to_the_mean_of_their_gradients(classes: int) -> None:
    def made(microbatch: int | None = None) -> AdversarialStep:
        network = sliced_network("tokens", classes)
        return make_step(network, "non_saturating", classes, microbatch=microbatch)

    step = made(2)
    result = step(*batch(classes), images=0, streams=StepStreams.at(0, 0))
    assert_mean_of_slices(step, result, made, *batch(classes))


def test_a_direction_learns_in_float32_under_autocast() -> None:
    networks = [sliced_network("cls", 3) for _ in range(2)]
    for network, dtype in zip(networks, (None, torch.bfloat16), strict=True):
        step = make_step(network, "hinge", 3, autocast=dtype)
        assert step(*batch(3), images=0, streams=StepStreams.at(0, 0)).finite
    one, other = (
        network.get_parameter("head.projection.embedding.weight").grad for network in networks
    )
    assert one is not None
    assert other is not None
    assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.98


@pytest.mark.parametrize("loss", LOSS)
@pytest.mark.parametrize("classes", [0, 3])
def test_every_head_has_the_gradients_of_two_textbook_losses(loss: str, classes: int) -> None:
    critic = make_objective(num_classes=classes).critic
    slice_last_layers(critic)
    objective = FeatureObjective(critic, LOSSES[loss], weight=WEIGHT, pipe=None)
    assert [type(each) for each in objective.objectives] == [SanObjective] * 2
    reference = copied(critic)
    step = make_step(NETWORKS["cls"](classes), loss, classes, features=objective)
    generator, (real, labels) = copy.deepcopy(step.generator), batch(classes)
    result = step(real, labels, images=0, streams=StepStreams.at(0, 0))
    source = StepStreams.at(0, 0).latents
    latents = torch.randn(BATCH, 6, generator=source)
    fake = generator(latents, labels, noise=source).detach()
    shown, false = reference(real, labels), reference(fake, labels)
    usual = sum(LOSS[loss](one, other).mean() for one, other in zip(shown, false, strict=True))
    apart = sum((other - one).mean() for one, other in zip(shown, false, strict=True))
    torch.testing.assert_close(result.losses["features_discriminator"], usual)
    names, parameters = zip(*reference.named_parameters(), strict=True)
    for played, of_direction in ((usual, False), (apart, True)):
        expected = torch.autograd.grad(played, parameters, retain_graph=True, allow_unused=True)
        for key, gradient in zip(names, expected, strict=True):
            ends = "readout.projection" in key if classes else key.endswith("readout.dense.weight")
            if ends is of_direction:
                found = critic.get_parameter(key).grad
                torch.testing.assert_close(
                    found,
                    gradient,
                    rtol=1e-3,
                    atol=1e-5,
                    msg=lambda text, key=key: f"{key}: {text}",
                )


@pytest.mark.parametrize("name", ["resnet", "tokens"])
@pytest.mark.parametrize("classes", [0, 3])
def test_steps_go_on_from_a_saved_state_to_the_same_bits(name: str, classes: int) -> None:
    def made() -> AdversarialStep:
        critic = make_objective(num_classes=classes).critic
        slice_last_layers(critic)
        objective = FeatureObjective(critic, LOSSES["hinge"], weight=WEIGHT, pipe=None)
        return make_step(sliced_network(name, classes), "hinge", classes, features=objective)

    def states(step: AdversarialStep) -> dict[str, Any]:
        return {
            key: copy.deepcopy(part.state_dict()) for key, part in step.stateful_parts().items()
        }

    def go_on(step: AdversarialStep, images: int) -> None:
        step(*batch(classes), images=images, streams=StepStreams.at(0, images))

    whole, resumed = made(), made()
    for images in (0, BATCH):
        go_on(whole, images)
    for key, saved in states(whole).items():
        resumed.stateful_parts()[key].load_state_dict(saved)
    for step in (whole, resumed):
        go_on(step, 2 * BATCH)
    torch.testing.assert_close(states(resumed), states(whole), rtol=0, atol=0)
