import copy
import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import softplus

from adavit.augment import AugmentPipe, make_pipe
from adavit.runtime.randomness import generator_for
from adavit.training.objectives.gradient_penalties import ExactPenalty
from adavit.training.step.adversarial_step import AdversarialStep, StepStreams
from adavit.training.step.average import GeneratorAverage
from tests.adavit.training.small_step import SETTINGS, assert_mean_of_slices
from tests.networks import make_generator, make_resnet, make_vit


def streams() -> StepStreams:
    return StepStreams.at(0, 0)


def make_step(
    pipe: AugmentPipe | None = None, *, resnet: bool = False, **changes: object
) -> AdversarialStep:
    torch.manual_seed(0)
    sizes = {"resolution": 8, "channel_base": 64, "channel_max": 8}
    generator = make_generator(latent_dim=6, style_dim=6, **sizes)
    discriminator = (
        make_resnet(**sizes, minibatch_std_group=4)
        if resnet
        else make_vit(resolution=8, patch=2, width=16, depth=1, heads=2)
    )
    penalty = ExactPenalty("r1", "real", weight=0.25, interval=2)
    settings = {**SETTINGS, "regularizers": [penalty]}
    return AdversarialStep(
        generator=generator,
        discriminator=discriminator,
        average=GeneratorAverage(generator, half_life_kimg=1, ramp=None),
        pipe=pipe or AugmentPipe(),
        **{**settings, **changes},
    )


def batch(count: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def test_gradients_equal_those_of_two_separate_textbook_passes() -> None:
    step, real = make_step(generator_lr=1e-12, discriminator_lr=1e-12), batch()
    generator, discriminator = copy.deepcopy(step.generator), copy.deepcopy(step.discriminator)
    step(real, None, images=0, streams=streams())

    source = generator_for(0, "latents", 0)
    latents = torch.randn(8, 6, generator=source)
    fake = generator(latents, noise=source)
    (softplus(-discriminator(fake)).mean()).backward()
    expected = gradients(generator)
    found = gradients(step.generator)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)

    discriminator.zero_grad()
    real = real.clone().requires_grad_(True)
    logits = discriminator(real, twice_differentiable=True)
    (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    penalty = 2 * 0.5 / 2 * slope.square().sum(dim=(1, 2, 3)).mean()
    loss = softplus(-logits).mean() + softplus(discriminator(fake.detach())).mean() + penalty
    loss.backward()
    found = gradients(step.discriminator)
    for name, gradient in gradients(discriminator).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("microbatch", [1, 2, 4])
def test_microbatches_accumulate_to_the_mean_gradients_of_steps_of_their_own(
    microbatch: int,
) -> None:
    step = make_step(microbatch=microbatch)
    result = step(batch(), None, images=0, streams=streams())
    assert_mean_of_slices(step, result, make_step, batch(), None)


def test_the_penalty_is_taken_at_its_interval_only() -> None:
    step = make_step(regularizers=[ExactPenalty("r1", "real", weight=0.25, interval=3)])
    due = ["r1" in step(batch(), None, images=8 * i, streams=streams()).losses for i in range(7)]
    assert due == [True, False, False, True, False, False, True]


@pytest.mark.parametrize("resnet", [False, True])
@pytest.mark.parametrize("where", ["image", "loss", "gradient"])
def test_a_step_that_is_not_finite_touches_nothing(
    monkeypatch: pytest.MonkeyPatch, where: str, resnet: bool
) -> None:
    step = make_step(resnet=resnet)
    step(batch(), None, images=0, streams=streams())
    before = copy.deepcopy(
        [
            step.generator.state_dict(),
            step.discriminator.state_dict(),
            step.average.module.state_dict(),
            step.generator_optimizer.state_dict()["state"],
            step.discriminator_optimizer.state_dict()["state"],
        ]
    )
    if where == "image":
        poisoned = batch()
        poisoned[3, 1, 2, 2] = float("nan")
        result = step(poisoned, None, images=8, streams=streams())
    else:
        plain = step.compute.loss.discriminator
        wrong = {
            "loss": lambda real, fake: plain(real, fake) + math.inf,  # its gradients are finite
            "gradient": lambda real, fake: (real - real.detach()).sqrt() + 1,  # slope 1 / 0
        }
        loss = replace(step.compute.loss, discriminator=wrong[where])
        monkeypatch.setattr(step, "compute", replace(step.compute, loss=loss))
        result = step(batch(), None, images=8, streams=streams())
    assert not result.finite
    after = [
        step.generator.state_dict(),
        step.discriminator.state_dict(),
        step.average.module.state_dict(),
        step.generator_optimizer.state_dict()["state"],
        step.discriminator_optimizer.state_dict()["state"],
    ]
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    monkeypatch.undo()
    assert step(batch(), None, images=16, streams=streams()).finite


def test_learning_rates_rise_over_the_warm_up() -> None:
    step, seen = make_step(warmup_images=32), []
    for index in range(6):
        step(batch(), None, images=8 * index, streams=streams())
        seen.append(step.discriminator_optimizer.param_groups[0]["lr"] / 1e-3)
    assert seen == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_schedules_are_asked_for_the_images_before_a_step_and_the_average_for_those_after() -> None:
    step = make_step(
        generator_lr=lambda images: 1e-5 * (100 + images),
        discriminator_lr=lambda images: 2e-5 * (100 + images),
        betas=(0.25, lambda images: 0.5 + images / 100),
    )
    step.average.ramp = 0.5
    for images in (8, 16):
        before = [mean.clone() for mean in step.average.module.parameters()]
        step(batch(), None, images=images, streams=StepStreams.at(0, images))
        optimizers = (step.generator_optimizer, step.discriminator_optimizer)
        (generator,), (discriminator,) = (each.param_groups for each in optimizers)
        assert generator["lr"] == pytest.approx(1e-5 * (100 + images))
        assert discriminator["lr"] == pytest.approx(2e-5 * (100 + images))
        expected = pytest.approx((0.25, 0.5 + images / 100))
        assert generator["betas"] == discriminator["betas"] == expected
        # A half-life of half of the images with this batch of 8.
        keep = 0.5 ** (8 / (0.5 * (images + 8)))
        means, weights = step.average.module.parameters(), step.generator.parameters()
        for mean, old, new in zip(means, before, weights, strict=True):
            torch.testing.assert_close(mean, keep * old + (1 - keep) * new, rtol=1e-5, atol=1e-7)
        assert not torch.equal(before[0], next(step.average.module.parameters()))


def test_the_mean_style_of_both_generators_follows_that_of_each_batch() -> None:
    step, expected = make_step(), torch.zeros(6)
    for images in (0, 8, 16):
        latents = torch.randn(8, 6, generator=generator_for(0, "latents", images))
        with torch.no_grad():
            mean = step.generator.mapping(latents).mean(dim=0)
        expected = 0.995 * expected + 0.005 * mean
        step(batch(), None, images=images, streams=StepStreams.at(0, images))
        for network in (step.generator, step.average.module):
            torch.testing.assert_close(network.w_average, expected, rtol=1e-4, atol=1e-7)
    assert expected.abs().min() > 1e-5


def test_real_images_are_not_modified_and_reach_the_discriminator_augmented() -> None:
    pipe = make_pipe("cutout", cutout_size=2.5)  # the box covers everything
    step, real = make_step(pipe), batch()
    kept = real.clone()
    result = step(real, None, images=0, streams=streams())
    assert torch.equal(real, kept)
    logits = result.train_logits
    torch.testing.assert_close(logits, logits[:1].expand_as(logits))
