"""A step of small networks, its images, and copies of its networks for formulas computed anew."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from adavit.augment import AugmentPipe, make_pipe
from adavit.augment.pipe import part_of
from adavit.training.objectives.losses import LOSSES
from adavit.training.objectives.regularizer import DiscriminatedImages, Microbatch, Regularizer
from adavit.training.passes.augmented_discriminator import AugmentedDiscriminator
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.average import GeneratorAverage
from adavit.training.step.slice_pass import as_written
from tests.networks import make_generator, make_vit

COUNT = 6

SETTINGS: dict[str, Any] = {
    "generator_lr": 1e-3,
    "discriminator_lr": 1e-3,
    "betas": (0.0, 0.99),
    "warmup_images": 0,
    "microbatch": None,
    "autocast": None,
    "computation": as_written,
    "loss": LOSSES["non_saturating"],
}
"""Of an `AdversarialStep`, beside its networks and its pipe."""

HALVES = slice(COUNT), slice(COUNT, None)
"""Of what is drawn for generated and real images."""


def make_step(
    *regularizers: Regularizer,
    pipe: AugmentPipe | None = None,
    channels: int = 3,
    **changes: object,
) -> AdversarialStep:
    torch.manual_seed(0)
    sizes = {"resolution": 8, "image_channels": channels}
    generator = make_generator(**sizes, latent_dim=6, style_dim=6, channel_base=64, channel_max=8)
    with torch.no_grad():  # at the start the noise counts for nothing, and both networks are flat
        for parameter in [*generator.parameters()]:
            if parameter.ndim == 0:
                parameter.fill_(0.3)
    discriminator = make_vit(**sizes, patch=2, width=16, depth=1, heads=2)
    with torch.no_grad():
        discriminator.head.dense.weight.mul_(30)
    settings = {**SETTINGS, "discriminator": discriminator, "regularizers": regularizers}
    return AdversarialStep(
        generator=generator,
        average=GeneratorAverage(generator, half_life_kimg=1, ramp=None),
        pipe=pipe or make_pipe("bgc"),
        **{**settings, **changes},
    )


def reals(count: int = COUNT, channels: int = 3) -> Tensor:
    return torch.rand(count, channels, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1


def judged_microbatch(
    network: nn.Module, count: int = COUNT, autocast: torch.dtype | None = None
) -> Microbatch:
    """Real and generated images, augmented at p = 0.7, as a step judges them."""
    pipe = make_pipe("bgc")
    pipe.p.fill_(0.7)
    augmented = AugmentedDiscriminator(network, pipe, autocast)
    streams = StepStreams.at(0, 0)
    generator = make_generator(
        resolution=8, latent_dim=6, style_dim=6, channel_base=64, channel_max=8
    )
    latents = torch.randn(count, 6)

    def shown(images: Tensor) -> DiscriminatedImages:
        view = augmented.view(images, streams.augmentation)
        return DiscriminatedImages(images, view, *augmented.judge(view, None))

    return Microbatch(
        generator=generator,
        discriminator=augmented,
        labels=None,
        latents=latents,
        real=shown(reals(count).requires_grad_(True)),
        generated=shown(generator(latents)),
        redraw=generator,
        streams=streams,
    )


class Reference:
    """The step's main pass written out, before any weight moves."""

    def __init__(self, step: AdversarialStep, images: int = 0) -> None:
        self.g, self.d = copy.deepcopy(step.generator), copy.deepcopy(step.discriminator)
        self.pipe, self.streams = step.pipe, StepStreams.at(0, images)
        self.z = torch.randn(COUNT, 6, generator=self.streams.latents)
        self.noise_state = self.streams.latents.get_state()
        self.fake = self.g(self.z, noise=self.streams.latents)
        both = (2 * COUNT, *self.fake.shape[1:])
        drawn = self.pipe.sample(both, self.streams.augmentation)
        self.t_fake, self.t_real = (part_of(drawn, part) for part in HALVES)

    def judge(self, images: Tensor, parameters: dict) -> Tensor:
        return self.d(self.pipe.transform(images, parameters), twice_differentiable=True)

    def again(self, z: Tensor) -> Tensor:
        noise = torch.Generator()
        noise.set_state(self.noise_state)
        return self.g(z, noise=noise)

    def randn(self, purpose: str, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.streams.of(purpose))


def run(step: AdversarialStep, images: int = 0) -> StepResult:
    real = reals(channels=step.generator.image_channels)
    return step(real, None, images=images, streams=StepStreams.at(0, images))


def squared_gradient_norm(logits_of: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(logits_of(images).sum(), images)
    return gradient.square().sum(dim=(1, 2, 3))


def assert_mean_of_slices(
    step: AdversarialStep,
    result: StepResult,
    make: Callable[[], AdversarialStep],
    real: Tensor,
    labels: Tensor | None,
) -> None:
    """A step at image 0 over several slices is the mean of steps over each of them by itself.

    Args:
        step: After it was made at `StepStreams.at(0, 0)`.
        result: Of it.
        make: A new one like it, without microbatches.
        real: What it was given.
        labels: Likewise.
    """
    parts = real.split(step.microbatch or len(real))
    classes = [None] * len(parts) if labels is None else labels.split(len(parts[0]))
    alone, results = [make() for _ in parts], []
    for number, (each, part, of_part) in enumerate(zip(alone, parts, classes, strict=True)):
        own = StepStreams.at(0, 0, slice_number=number)
        results.append(each(part, of_part, images=0, streams=own))
    assert len(parts) > 1
    for network in ("generator", "judges"):
        for name, weight in getattr(step, network).named_parameters():
            gradients = [getattr(each, network).get_parameter(name).grad for each in alone]
            if weight.grad is None:
                assert gradients == [None] * len(parts)
                continue
            expected = torch.stack(gradients).mean(dim=0)
            torch.testing.assert_close(weight.grad, expected, rtol=1e-4, atol=1e-6, msg=name)
    for name in ("train_logits", "generated_logits"):
        assert torch.equal(getattr(result, name), torch.cat([getattr(x, name) for x in results]))
    for name, value in result.losses.items():
        expected = torch.stack([each.losses[name] for each in results]).mean()
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
