"""Each regularizer against its formula, computed anew from copies of the networks and the same random streams."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe, make_pipe
from adavit.models import Generator, ViTDiscriminator
from adavit.training.objectives.consistency import (
    BalancedConsistency,
    LatentConsistency,
    LatentDiversity,
)
from adavit.training.objectives.gradient_penalties import (
    ApproximatePenalty,
    Drift,
    ExactPenalty,
    InterpolatedPenalty,
)
from adavit.training.objectives.lecam import LeCam
from adavit.training.objectives.losses import LOSSES
from adavit.training.objectives.path_length import PathLengthPenalty
from adavit.training.objectives.regularizer import Regularizer
from adavit.training.passes.generated import StyleMixing
from adavit.training.passes.streams import StepStreams
from adavit.training.step.adversarial_step import AdversarialStep, StepResult
from adavit.training.step.average import GeneratorAverage

COUNT = 6


def make_step(
    *regularizers: Regularizer, pipe: AugmentPipe | None = None, **changes: object
) -> AdversarialStep:
    torch.manual_seed(0)
    generator = Generator(resolution=8, latent_dim=6, style_dim=6, channel_base=64, channel_max=8)
    with torch.no_grad():  # at the start the noise counts for nothing, and both networks are flat
        for parameter in [*generator.parameters()]:
            if parameter.ndim == 0:
                parameter.fill_(0.3)
    discriminator = ViTDiscriminator(resolution=8, patch=2, width=16, depth=1, heads=2)
    with torch.no_grad():
        discriminator.head.weight.mul_(30)
    settings: dict = {
        "generator_lr": 1e-3,
        "discriminator_lr": 1e-3,
        "betas": (0.0, 0.99),
        "warmup_images": 0,
        "microbatch": None,
        "autocast": None,
        "loss": LOSSES["non_saturating"],
        "regularizers": regularizers,
    }
    return AdversarialStep(
        generator=generator,
        discriminator=discriminator,
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


def exact(side: str, ref: Reference) -> Tensor:
    images, parameters = (reals(), ref.t_real) if side == "real" else (ref.fake, ref.t_fake)
    return squared_gradient_norm(lambda x: ref.judge(x, parameters), images).mean()


def approximate(name: str, side: str, central: bool, ref: Reference) -> Tensor:
    images, parameters = (reals(), ref.t_real) if side == "real" else (ref.fake, ref.t_fake)
    moved = 0.05 * ref.randn(f"{name} noise", *images.shape)
    ahead = ref.judge(images + moved, parameters)
    behind = ref.judge(images - moved if central else images, parameters)
    return ((ahead - behind) / (0.1 if central else 0.05)).square().mean()


def interpolated(ref: Reference) -> Tensor:
    stream = ref.streams.of("gradient penalty")
    share = torch.rand(COUNT, 1, 1, 1, generator=stream)
    between = share * reals() + (1 - share) * ref.fake
    parameters = ref.pipe.sample(between.shape, stream)
    slope = squared_gradient_norm(lambda x: ref.judge(x, parameters), between).sqrt()
    return (slope - 1).square().mean()


def balanced(side: str, ref: Reference) -> Tensor:
    images, parameters = (reals(), ref.t_real) if side == "real" else (ref.fake, ref.t_fake)
    seen = ref.pipe.transform(images, parameters)
    shift = AugmentPipe(xint=1, xint_max=1 / 8)
    shifted = shift(seen, generator=ref.streams.of(f"bcr_{side}"))
    assert not torch.equal(seen, shifted)
    return (ref.d(seen) - ref.d(shifted)).square().mean()


def latent(ref: Reference) -> Tensor:
    near = ref.again(ref.z + 0.2 * ref.randn("zcr_discriminator", COUNT, 6))
    return (ref.judge(ref.fake, ref.t_fake) - ref.judge(near, ref.t_fake)).square().mean()


def diversity(ref: Reference) -> Tensor:
    near = ref.again(ref.z + 0.2 * ref.randn("zcr_generator", COUNT, 6))
    return -(ref.fake - near).square().mean()


CASES = {
    "r1": (ExactPenalty("r1", "real", 1, 1), lambda ref: exact("real", ref)),
    "r2": (ExactPenalty("r2", "generated", 1, 1), lambda ref: exact("generated", ref)),
    "approximate r1": (
        ApproximatePenalty("r1", "real", 1, 1, sigma=0.05, central=False),
        lambda ref: approximate("r1", "real", False, ref),
    ),
    "approximate r2": (
        ApproximatePenalty("r2", "generated", 1, 1, sigma=0.05, central=True),
        lambda ref: approximate("r2", "generated", True, ref),
    ),
    "gradient penalty": (InterpolatedPenalty(1), interpolated),
    "drift": (Drift(1), lambda ref: ref.judge(reals(), ref.t_real).square().mean()),
    "bcr real": (BalancedConsistency("real", 1), lambda ref: balanced("real", ref)),
    "bcr generated": (BalancedConsistency("generated", 1), lambda ref: balanced("generated", ref)),
    "zcr discriminator": (LatentConsistency(1, 0.2), latent),
    "zcr generator": (LatentDiversity(1, 0.2), diversity),
}


@pytest.mark.parametrize("name", CASES)
def test_a_term_equals_its_formula_and_trains_its_network_only(name: str) -> None:
    regularizer, formula = CASES[name]
    with_term, plain = make_step(regularizer), make_step()
    regularizer.weight, regularizer.interval = (lambda images: 0.7), 1
    ref = Reference(with_term)
    value = formula(ref)
    found, _ = run(with_term), run(plain)
    torch.testing.assert_close(found.losses[regularizer.name], value, rtol=2e-3, atol=1e-6)
    assert value.abs() > 1e-4, "too flat to tell anything"

    network = ref.g if regularizer.trains == "generator" else ref.d
    if name not in ("r1", "r2", "gradient penalty"):  # their reference has no second derivative
        wanted = torch.autograd.grad(value, list(network.parameters()), allow_unused=True)
        pairs = zip(
            getattr(with_term, regularizer.trains).parameters(),
            getattr(plain, regularizer.trains).parameters(),
            wanted,
            strict=True,
        )
        for parameter, before, gradient in pairs:
            added = parameter.grad - before.grad
            expected = torch.zeros_like(added) if gradient is None else 0.7 * gradient
            torch.testing.assert_close(added, expected, rtol=1e-2, atol=2e-4)
    other = "discriminator" if regularizer.trains == "generator" else "generator"
    for parameter, before in zip(
        getattr(with_term, other).parameters(), getattr(plain, other).parameters(), strict=True
    ):
        torch.testing.assert_close(parameter.grad, before.grad, rtol=1e-5, atol=1e-7)


def test_path_length_equals_its_formula_by_finite_differences() -> None:
    regularizer = PathLengthPenalty(2, 1, 0.5)
    step = make_step(regularizer)
    ref = Reference(step)
    stream = ref.streams.of("path length")
    z = torch.randn(3, 6, generator=stream)
    w = ref.g.mapping(z)[:, None].repeat(1, ref.g.synthesis.style_count, 1).detach()
    noise_state = stream.get_state()

    def images(styles: Tensor) -> Tensor:
        noise = torch.Generator()
        noise.set_state(noise_state)
        return ref.g.synthesis(styles, noise=noise)

    ref.g.synthesis(w, noise=stream)
    y = torch.randn(3, 3, 8, 8, generator=stream) / math.sqrt(64)
    squares = torch.zeros(3, w.shape[1])
    with torch.no_grad():
        for layer in range(w.shape[1]):
            for axis in range(6):
                moved = torch.zeros_like(w)
                moved[:, layer, axis] = 1e-2
                slope = ((images(w + moved) - images(w - moved)) * y).sum(dim=(1, 2, 3)) / 2e-2
                squares[:, layer] += slope.square()
    lengths = squares.mean(dim=1).sqrt()
    first = run(step)
    torch.testing.assert_close(first.losses["path_length"], lengths.mean(), rtol=1e-2, atol=0)
    expected = (lengths - lengths.mean()).square().mean()
    torch.testing.assert_close(first.losses["path_length_penalty"], expected, rtol=0.05, atol=1e-7)
    assert regularizer.mean is not None
    second = run(step, COUNT)
    half_way = (first.losses["path_length"] + second.losses["path_length"]) / 2
    torch.testing.assert_close(regularizer.mean, half_way)


def test_lecam_holds_on_to_the_unbiased_averages_of_the_steps_before() -> None:
    regularizer = LeCam(0.3, 0.9)
    step, real, fake = make_step(regularizer), [], []
    for index in range(4):
        result = run(step, index * COUNT)
        if index == 0:
            assert result.losses["lecam"] == 0
        else:
            weights = torch.tensor([0.9 ** (index - 1 - k) for k in range(index)])
            weights = weights / weights.sum()
            anchor_real = (weights * torch.stack(real)).sum()
            anchor_fake = (weights * torch.stack(fake)).sum()
            expected = (result.train_logits - anchor_fake).square().mean()
            expected += (result.generated_logits - anchor_real).square().mean()
            torch.testing.assert_close(result.losses["lecam"], expected, rtol=1e-4, atol=1e-6)
        real.append(result.train_logits.mean())
        fake.append(result.generated_logits.mean())


@pytest.mark.parametrize(
    "regularizer", [PathLengthPenalty(2, 1, 0.5), LeCam(1, 0.9)], ids=["path", "lecam"]
)
def test_a_skipped_step_leaves_the_state_of_a_term(regularizer: Regularizer) -> None:
    step = make_step(regularizer)
    run(step)
    assert step.stateful_parts()[regularizer.name] is regularizer
    before = copy.deepcopy(regularizer.state_dict())
    poisoned = reals()
    poisoned[2, 0, 1, 1] = float("nan")
    result = step(poisoned, None, images=COUNT, streams=StepStreams.at(0, COUNT))
    assert not result.finite
    torch.testing.assert_close(regularizer.state_dict(), before, rtol=0, atol=0)


def test_a_penalty_is_weighted_by_its_interval() -> None:
    every, third = ExactPenalty("r2", "generated", 3, 1), ExactPenalty("r2", "generated", 1, 3)
    one, other = make_step(every), make_step(third)
    assert "r2" in run(one).losses
    assert "r2" in run(other).losses
    for a, b in zip(one.discriminator.parameters(), other.discriminator.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    assert "r2" not in run(other, COUNT).losses


@pytest.mark.parametrize("regularizers", [(ExactPenalty("r2", "generated", 1, 1),), (Drift(1),)])
def test_terms_accumulate_over_microbatches(regularizers: tuple[Regularizer, ...]) -> None:
    whole, parts = (
        make_step(*regularizers, pipe=AugmentPipe(), microbatch=size) for size in (None, 2)
    )
    with torch.no_grad():  # the noise of each pixel is drawn image by image
        for step in (whole, parts):
            for parameter in step.generator.parameters():
                if parameter.ndim == 0:
                    parameter.zero_()
    for name, value in run(whole).losses.items():
        torch.testing.assert_close(run(parts).losses[name], value, rtol=1e-3, atol=1e-6)
        break
    for a, b in zip(
        whole.discriminator.parameters(), parts.discriminator.parameters(), strict=True
    ):
        torch.testing.assert_close(a.grad, b.grad, rtol=2e-3, atol=2e-5)


class Dropping(ViTDiscriminator):
    """Looks at a part of the rows only, as a discriminator that leaves patches out."""

    def draw_kept(self, batch: int, generator: torch.Generator) -> Tensor:
        return torch.rand(batch, 1, 8, 1, generator=generator) < 0.5

    def forward(self, images: Tensor, *rest: object, kept: Tensor, **options: bool) -> Tensor:
        return super().forward(images * kept, *rest, **options)  # type: ignore[arg-type]


def test_the_approximate_penalty_looks_at_the_same_patches_twice() -> None:
    regularizer = ApproximatePenalty("r1", "real", 1, 1, sigma=0.0001, central=False)
    step = make_step(regularizer, pipe=make_pipe("bgcfnc"))
    step.discriminator.__class__ = Dropping
    # With other draws the difference would be that of two views, over a ten-thousandth.
    assert run(step).losses["r1"] < 1e4


@pytest.mark.parametrize("loss", LOSSES)
def test_the_step_hands_each_loss_its_logits(loss: str) -> None:
    step = make_step(loss=LOSSES[loss])
    result = run(step)
    real, fake = result.train_logits, result.generated_logits
    expected = LOSSES[loss].discriminator(real, fake).mean()
    torch.testing.assert_close(result.losses["loss_discriminator"], expected)
    expected = LOSSES[loss].generator(fake, real).mean()
    torch.testing.assert_close(result.losses["loss_generator"], expected)


def test_consistency_in_latents_keeps_the_mixing_and_the_noise() -> None:
    regularizer = LatentDiversity(1, 1e-4)
    step = make_step(regularizer, mixing=StyleMixing(1.0))
    # Other styles or other noise would make the images differ by far more.
    assert -1e-5 < run(step).losses["zcr_generator"] < 0


@pytest.mark.parametrize("kind", [LatentDiversity, LatentConsistency])
def test_rounding_is_no_difference_between_nearby_latents(kind: Callable[..., Regularizer]) -> None:
    regularizer = kind(1, 0.0)
    step = make_step(regularizer, autocast=torch.bfloat16)
    assert run(step).losses[regularizer.name] == 0
