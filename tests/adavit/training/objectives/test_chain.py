"""CHAIN in training: the control of its p, the pull to mean 0, and the averages, over whole steps."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adavit.augment.pipe import part_of
from adavit.models import ResNetDiscriminator
from adavit.models.resnet.chain import Chain, ChainConv2d
from adavit.runs.checkpoint import restore
from adavit.training.objectives.chain import ChainControl
from adavit.training.objectives.gradient_penalties import ExactPenalty
from adavit.training.objectives.regularizer import Regularizer
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams
from adavit.training.step.adversarial_step import AdversarialStep
from tests.adavit.training.small_step import COUNT, HALVES, make_step, reals, run
from tests.networks import make_resnet


def result(
    train: Tensor,
    generated: Tensor,
    is_training: Tensor | None = None,
    squares: Sequence[Tensor] = (),
) -> StepResult:
    seen = {"chain": list(squares)}
    return StepResult(torch.tensor(True), train, generated, {}, is_training, seen)


def control(chain: Chain, weight: float = 20, **changes: float) -> ChainControl:
    settings = {"p0": 0.1, "target": 0.5, "start_kimg": 0.0, "speed_kimg": 1.0}
    return ChainControl(chain, weight, **{**settings, **changes})


def chained(
    p: float = 0.5, *further: Regularizer, weight: float = 20, p0: float = 0.1, **changes: Any
) -> AdversarialStep:
    """A step against a convolutional discriminator with CHAIN."""
    torch.manual_seed(1)
    discriminator = make_resnet(
        resolution=8, channel_base=64, channel_max=8, normalization="chain", minibatch_std_group=0
    )
    with torch.no_grad():
        for name, parameter in discriminator.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    discriminator.chain.p.fill_(p)
    rule = control(discriminator.chain, weight, p0=p0, speed_kimg=0.05)
    return make_step(rule, *further, discriminator=discriminator, **changes)


def network_of(step: AdversarialStep) -> ResNetDiscriminator:
    assert isinstance(step.discriminator, ResNetDiscriminator)
    return step.discriminator


def signs(share: float) -> Tensor:
    """Logits of 20 real images, of which a share are above 0."""
    count = round(20 * share)
    return torch.tensor([3.0] * count + [-0.2] * (20 - count))


def test_p_follows_the_moving_average_of_the_signs() -> None:
    chain = Chain(nn.Identity())
    rule = control(chain, start_kimg=0.1, speed_kimg=2.0)
    means = [0.9, 1.0, 0.2, 1.0, 0.8, 0.9, 1.0, 0.1, 0.0, 0.3] * 9
    expected, p = [], 0.0
    for step in range(1, len(means) + 1):
        # Closed form of the average: sum of .1 .9^(n - k) s_k.
        average = sum(0.1 * 0.9 ** (step - k) * (2 * means[k - 1] - 1) for k in range(1, step + 1))
        if 20 * step > 100:
            p = min(1.0, max(0.0, p + (0.01 if average > 0.5 else -0.01)))
        expected.append(p)
    found = []
    for mean in means:
        rule.update(result(signs(mean), torch.zeros(20)))
        found.append(chain.p.item())
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("share", "end"), [(1.0, 1.0), (0.0, 0.0)])
def test_p_goes_from_end_to_end_in_its_time_and_stays_there(share: float, end: float) -> None:
    chain = Chain(nn.Identity())
    chain.p.fill_(1 - end)
    rule = control(chain)
    path = []
    for _ in range(70):  # 1 kimg is 50 steps of 20 images
        rule.update(result(signs(share), torch.zeros(20)))
        path.append(chain.p.item())
    # The average of all 1 passes one half after 7 steps (1 - .9^7 = .52); 0 is below it at once.
    arrival = 50 + (6 if share else 0)
    assert path[arrival - 2] != pytest.approx(end, abs=1e-4)
    assert path[arrival - 1 :] == pytest.approx([end] * (71 - arrival), abs=1e-4)


def test_a_batch_without_training_images_moves_nothing_but_the_count() -> None:
    chain = Chain(nn.Identity())
    rule = control(chain)
    rule.update(result(torch.ones(20), torch.zeros(20), torch.zeros(20, dtype=torch.bool)))
    assert (rule.images, rule.sign.item(), chain.p.item()) == (20, 0.0, 0.0)


class Means:
    """Squared means of what each convolution gives, counted by itself."""

    def __init__(self, network: nn.Module) -> None:
        self.total = torch.zeros(())
        for layer in network.modules():
            if isinstance(layer, ChainConv2d):
                self._listen(layer)

    def _listen(self, layer: ChainConv2d) -> None:
        convolve = layer.convolve

        def heard(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            output = convolve(features, weight, bias)
            image_means = output.flatten(2).mean(dim=2)
            self.total = self.total + image_means.mean(dim=0).pow(2).sum()
            return output

        vars(layer)["convolve"] = heard


def gradients(network: nn.Module) -> dict[str, Tensor]:
    return {name: w.grad.clone() for name, w in network.named_parameters() if w.grad is not None}


def test_means_are_pulled_to_zero_by_the_discriminator_alone() -> None:
    frozen: dict[str, Any] = {"discriminator_lr": 1e-12, "generator_lr": 1e-12}
    with_it, without = chained(**frozen), chained(weight=0, **frozen)
    twin = copy.deepcopy(network_of(with_it))
    pipe, streams = with_it.pipe, StepStreams.at(0, 0)
    latents = torch.randn(COUNT, 6, generator=streams.latents)
    fake = with_it.generator(latents, noise=streams.latents).detach()
    heard = Means(twin)
    parameters = pipe.sample((2 * COUNT, *fake.shape[1:]), streams.augmentation)
    for half, side, images in zip(HALVES, ("generated", "real"), (fake, reals()), strict=True):
        shown = pipe.transform(images, part_of(parameters, half))
        drawn = twin.draw_pass(COUNT, side, streams.augmentation)
        twin(shown, **drawn)
    result = run(with_it)
    run(without)
    expected = (0.5 + 0.1) * heard.total
    torch.testing.assert_close(result.losses["chain"], expected.detach(), rtol=1e-4, atol=1e-6)
    assert result.losses["chain_p"].item() == 0.5
    expected.backward()
    pulls = gradients(twin)
    for name, gradient in gradients(network_of(with_it)).items():
        pull = gradient - gradients(network_of(without))[name]
        torch.testing.assert_close(pull, 20 * pulls.get(name, 0 * pull), rtol=1e-3, atol=1e-4)
    of_generator = gradients(without.generator)
    assert of_generator
    for name, gradient in gradients(with_it.generator).items():
        assert torch.equal(gradient, of_generator[name])


def weights_after(step: AdversarialStep, steps: int = 2) -> Tensor:
    for index in range(steps):
        assert run(step, index * COUNT).finite
    networks = (step.generator, step.discriminator)
    return torch.cat([p.detach().flatten() for network in networks for p in network.parameters()])


def test_every_part_of_it_changes_training() -> None:
    settings = [
        {"p": 0.0, "p0": 0.0},
        {"p": 0.5, "p0": 0.0, "weight": 0},
        {"p": 1.0, "p0": 0.0, "weight": 0},
        {"p": 0.5, "p0": 0.0},
        {"p": 0.5, "p0": 0.1},
        {"p": 0.0, "p0": 0.1},
    ]
    found = [weights_after(chained(**setting)) for setting in settings]
    for index, one in enumerate(found):
        assert all(not torch.equal(one, other) for other in found[:index])


@pytest.mark.parametrize("microbatch", [1, 2, 3])
def test_the_averages_are_those_of_the_batch_whatever_the_microbatch(microbatch: int) -> None:
    # Without normalisation the parts of a batch do not see each other.
    steps = [chained(0.0), chained(0.0, microbatch=microbatch)]
    for step in steps:
        step.set_p(0)
        for _ in range(2):
            run(step)
    layers = [
        [layer for layer in network_of(step).modules() if isinstance(layer, ChainConv2d)]
        for step in steps
    ]
    for one, many in zip(*layers, strict=True):
        assert one.squares.min() > 0
        # On the other side the noise of each pixel is drawn in another order.
        torch.testing.assert_close(one.squares[0], many.squares[0], rtol=0.02, atol=1e-4)
        assert not torch.allclose(one.squares[0], one.squares[1], rtol=0.02)
    assert network_of(steps[1]).chain.updates == 2


def test_a_step_that_is_not_finite_leaves_averages_and_p() -> None:
    step = chained(0.5)
    run(step)
    before = copy.deepcopy((network_of(step).state_dict(), step.regularizers[0].state_dict()))
    streams = StepStreams.at(0, COUNT)
    assert not step(reals() * torch.inf, None, images=COUNT, streams=streams).finite
    assert torch.equal(step.regularizers[0].state_dict()["sign"], before[1]["sign"])
    assert step.regularizers[0].state_dict()["images"] == before[1]["images"] == COUNT
    for name, value in network_of(step).state_dict().items():
        assert torch.equal(value, before[0][name]), name
    # What the lost step has seen is no part of the next one.
    twin = chained(0.5)
    run(twin)
    run(twin, 2 * COUNT)
    run(step, 2 * COUNT)
    for name, value in network_of(step).state_dict().items():
        assert torch.equal(value, network_of(twin).state_dict()[name]), name


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_it_goes_with_the_penalty_on_gradients(autocast: torch.dtype | None) -> None:
    step = chained(0.5, ExactPenalty("r1", "real", 1, 1), autocast=autocast)
    result = run(step)
    assert result.finite
    assert result.losses["r1"] > 0
    assert len(weights_after(step, 3))


def test_a_restored_control_goes_on_as_if_it_had_never_stopped() -> None:
    first = chained(0.3)
    run(first)
    second = chained(0.9)
    parts = {"chain": second.regularizers[0], "discriminator": second.discriminator}
    saved = {"chain": first.regularizers[0], "discriminator": first.discriminator}
    restore(parts, {name: copy.deepcopy(part.state_dict()) for name, part in saved.items()})
    for rule in (first.regularizers[0], second.regularizers[0]):
        squares = [torch.ones(1, 8)] * 10  # of five convolutions for each side
        rule.update(result(torch.ones(6), torch.zeros(6), squares=squares))
    assert first.regularizers[0].state_dict()["images"] == 12
    assert second.regularizers[0].state_dict()["images"] == 12
    assert torch.equal(first.regularizers[0].sign, second.regularizers[0].sign)
    for name, value in network_of(first).state_dict().items():
        assert torch.equal(value, network_of(second).state_dict()[name]), name
