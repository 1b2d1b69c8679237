"""A step of small networks, its images, and copies of its networks for formulas computed anew."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from adavit.augment import AugmentPipe, make_pipe
from adavit.training.objectives.losses import LOSSES
from adavit.training.objectives.regularizer import Regularizer
from adavit.training.passes.streams import StepStreams
from adavit.training.step.adversarial_step import AdversarialStep, StepResult
from adavit.training.step.average import GeneratorAverage
from tests.networks import make_generator, make_vit

COUNT = 6


def make_step(
    *regularizers: Regularizer, pipe: AugmentPipe | None = None, **changes: object
) -> AdversarialStep:
    torch.manual_seed(0)
    generator = make_generator(
        resolution=8, latent_dim=6, style_dim=6, channel_base=64, channel_max=8
    )
    with torch.no_grad():  # at the start the noise counts for nothing, and both networks are flat
        for parameter in [*generator.parameters()]:
            if parameter.ndim == 0:
                parameter.fill_(0.3)
    discriminator = make_vit(resolution=8, patch=2, width=16, depth=1, heads=2)
    with torch.no_grad():
        discriminator.head.dense.weight.mul_(30)
    settings: dict = {
        "discriminator": discriminator,
        "generator_lr": 1e-3,
        "discriminator_lr": 1e-3,
        "betas": (0.0, 0.99),
        "warmup_images": 0,
        "microbatch": None,
        "autocast": None,
        "compiled": False,
        "loss": LOSSES["non_saturating"],
        "regularizers": regularizers,
    }
    return AdversarialStep(
        generator=generator,
        average=GeneratorAverage(generator, half_life_kimg=1, ramp=None),
        pipe=pipe or make_pipe("bgc"),
        **{**settings, **changes},
    )


def reals() -> Tensor:
    return torch.rand(COUNT, 3, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1


class Reference:
    """The step's main pass written out, before any weight moves."""

    def __init__(self, step: AdversarialStep, images: int = 0) -> None:
        self.g, self.d = copy.deepcopy(step.generator), copy.deepcopy(step.discriminator)
        self.pipe, self.streams = step.pipe, StepStreams.at(0, images)
        self.z = torch.randn(COUNT, 6, generator=self.streams.latents)
        self.noise_state = self.streams.latents.get_state()
        self.fake = self.g(self.z, noise=self.streams.latents)
        self.t_fake = self.pipe.sample(self.fake.shape, self.streams.augmentation)
        self.t_real = self.pipe.sample(self.fake.shape, self.streams.augmentation)

    def judge(self, images: Tensor, parameters: dict) -> Tensor:
        return self.d(self.pipe.transform(images, parameters), twice_differentiable=True)

    def again(self, z: Tensor) -> Tensor:
        noise = torch.Generator()
        noise.set_state(self.noise_state)
        return self.g(z, noise=noise)

    def randn(self, purpose: str, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.streams.of(purpose))


def run(step: AdversarialStep, images: int = 0) -> StepResult:
    return step(reals(), None, images=images, streams=StepStreams.at(0, images))


def squared_gradient_norm(logits_of: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(logits_of(images).sum(), images)
    return gradient.square().sum(dim=(1, 2, 3))
