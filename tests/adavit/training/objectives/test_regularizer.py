"""Each regularizer against its formula, computed anew from copies of the networks and the same random streams."""

import copy

import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe
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
from adavit.training.passes.streams import StepStreams
from tests.adavit.training.small_step import (
    COUNT,
    Reference,
    assert_mean_of_slices,
    make_step,
    reals,
    run,
    squared_gradient_norm,
)


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


@pytest.mark.parametrize("regularizers", [(ExactPenalty("r2", "generated", 0.01, 1),), (Drift(1),)])
def test_terms_accumulate_over_microbatches(regularizers: tuple[Regularizer, ...]) -> None:
    step = make_step(*regularizers, microbatch=2)
    result = run(step)
    assert_mean_of_slices(step, result, lambda: make_step(*regularizers), reals(), None)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_step_hands_each_loss_its_logits(loss: str) -> None:
    step = make_step(loss=LOSSES[loss])
    result = run(step)
    real, fake = result.train_logits, result.generated_logits
    expected = LOSSES[loss].discriminator(real, fake).mean()
    torch.testing.assert_close(result.losses["loss_discriminator"], expected)
    expected = LOSSES[loss].generator(fake, real).mean()
    torch.testing.assert_close(result.losses["loss_generator"], expected)
