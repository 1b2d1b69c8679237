import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from adavit.augment import make_pipe
from adavit.features.architectures import ARCHITECTURES
from adavit.features.critic import FeatureCritic
from adavit.features.network import FrozenNetwork
from adavit.training.objectives.feature_critic import FeatureObjective
from adavit.training.objectives.losses import LOSSES
from tests.adavit.training.small_step import Reference, make_step, reals, run

WEIGHT = 0.7


def make_objective(
    loss: str = "non_saturating", p: float | None = None, num_classes: int = 0
) -> FeatureObjective:
    taps = ARCHITECTURES["mobilenet_v3_small"].taps[:2]
    network = FrozenNetwork("mobilenet_v3_small", side=64, taps=taps)
    torch.manual_seed(0)
    critic = FeatureCritic(
        network,
        mixing="none",
        width=4,
        normalization="none",
        minibatch_std_group=0,
        num_classes=num_classes,
    )
    critic.calibrate([reals()])
    pipe = None
    if p is not None:
        pipe = make_pipe("bgc")
        pipe.p.fill_(p)
    return FeatureObjective(critic, LOSSES[loss], weight=WEIGHT, pipe=pipe)


def copied(critic: FeatureCritic) -> FeatureCritic:
    """A copy; torch.fx forgets in its own that the network does not train."""
    other = copy.deepcopy(critic)
    other.frozen[0].eval()
    return other


Fooling = Callable[[Tensor], Tensor]
Telling = Callable[[Tensor, Tensor], Tensor]


@pytest.mark.parametrize(
    ("loss", "fooling", "telling"),
    [
        (
            "non_saturating",
            lambda fake: softplus(-fake),
            lambda real, fake: softplus(-real) + softplus(fake),
        ),
        (
            "hinge",
            lambda fake: -fake,
            lambda real, fake: (1 - real).relu() + (1 + fake).relu(),
        ),
    ],
)
def test_both_losses_are_their_formulas(loss: str, fooling: Fooling, telling: Telling) -> None:
    objective = make_objective(loss)
    step = make_step(features=objective)
    reference, critic = Reference(step), copied(objective.critic)
    shown = critic(reference.pipe.transform(reals(), reference.t_real))
    fake = critic(reference.pipe.transform(reference.fake, reference.t_fake))
    result = run(step)
    expected = WEIGHT * torch.stack([fooling(head).mean() for head in fake]).mean()
    torch.testing.assert_close(result.losses["features_generator"], expected)
    expected = sum(telling(a, b).mean() for a, b in zip(shown, fake, strict=True))
    torch.testing.assert_close(result.losses["features_discriminator"], expected)


def test_the_generator_follows_its_part_and_the_discriminator_is_left_alone() -> None:
    plain, step = make_step(), make_step(features=make_objective())
    reference = Reference(step)
    critic = copied(step.features.critic)  # type: ignore[union-attr]
    for each in (plain, step):
        run(each)
    critic(reference.pipe.transform(reals(), reference.t_real))
    fake = critic(reference.pipe.transform(reference.fake, reference.t_fake))
    loss = softplus(-reference.judge(reference.fake, reference.t_fake)).mean()
    loss = loss + WEIGHT * torch.stack([softplus(-head).mean() for head in fake]).mean()
    loss.backward()
    for found, expected in zip(step.generator.parameters(), reference.g.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad, rtol=1e-4, atol=1e-6)
    for found, expected in zip(
        step.discriminator.parameters(), plain.discriminator.parameters(), strict=True
    ):
        assert torch.equal(found, expected)


def test_its_heads_are_trained_and_nothing_else_of_it() -> None:
    step = make_step(features=make_objective())
    critic = step.features.critic  # type: ignore[union-attr]
    before = copied(critic)
    run(step)
    for (name, found), expected in zip(critic.named_parameters(), before.parameters(), strict=True):
        assert not torch.equal(found, expected), name
    for found, expected in zip(
        critic.frozen[0].state_dict().values(), before.frozen[0].state_dict().values(), strict=True
    ):
        assert torch.equal(found, expected)


def test_a_probability_of_its_own_shows_it_other_images() -> None:
    losses = []
    for p in (None, 0.0, 0.0, 1.0):
        step = make_step(features=make_objective(p=p))
        step.pipe.p.fill_(1.0)
        losses.append(run(step).losses["features_discriminator"])
    assert losses[1] == losses[2]
    assert losses[0] != losses[1] != losses[3]


def test_microbatches_train_it_too() -> None:
    step = make_step(features=make_objective(), microbatch=2)
    result = run(step)
    assert result.finite
    assert result.losses["features_discriminator"] > 0
