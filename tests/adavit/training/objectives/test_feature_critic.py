import copy
from collections.abc import Callable
from typing import Any

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
from tests.adavit.training.small_step import COUNT, Reference, make_step, reals, run

WEIGHT = 0.7


def make_objective(
    loss: str = "non_saturating", p: float | None = None, num_classes: int = 0, **when: Any
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
    return FeatureObjective(critic, LOSSES[loss], weight=WEIGHT, pipe=pipe, **when)


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
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("own_p", [None, 0.7])
def test_both_losses_are_their_formulas_of_images_that_are_augmented_alike(
    loss: str, fooling: Fooling, telling: Telling, own_p: float | None, channels: int
) -> None:
    objective = make_objective(loss, p=own_p)
    step = make_step(features=objective, channels=channels)
    step.set_p(0.9)
    reference, critic, real = Reference(step), copied(objective.critic), reals(channels=channels)
    if objective.pipe is None:
        seen = [
            reference.pipe.transform(real, reference.t_real),
            reference.pipe.transform(reference.fake, reference.t_fake),
        ]
    else:
        stream = reference.streams.of("augmentation of what the feature critic sees")
        seen = [objective.pipe(images, generator=stream) for images in (real, reference.fake)]
    assert all(
        (one - other).abs().max() > 0.1
        for one, other in zip(seen, (real, reference.fake), strict=True)
    )
    if channels == 4:  # straight alpha, on a colour of its own behind each
        stream = reference.streams.of("ground of what the feature critic sees")
        alphas = [(images[:, 3:] + 1) / 2 for images in seen]
        grounds = [torch.rand(COUNT, 3, 1, 1, generator=stream) * 2 - 1 for _ in seen]
        seen = [
            alpha * images[:, :3] + (1 - alpha) * ground
            for images, alpha, ground in zip(seen, alphas, grounds, strict=True)
        ]
    shown, fake = (critic(images) for images in seen)
    result = run(step)
    expected = WEIGHT * torch.stack([fooling(head).mean() for head in fake]).mean()
    torch.testing.assert_close(result.losses["features_generator"], expected)
    expected = sum(telling(a, b).mean() for a, b in zip(shown, fake, strict=True))
    torch.testing.assert_close(result.losses["features_discriminator"], expected)


@pytest.mark.parametrize(
    ("when", "p", "factor"),
    [
        ({}, 1.0, 1.0),
        ({"interval": 3}, 1.0, 3.0),
        ({"vanishes_at": 0.5}, 0.0, 1.0),
        ({"vanishes_at": 0.5}, 0.2, 0.6),
        ({"vanishes_at": 0.5, "interval": 2}, 0.4, 0.4),
        ({"vanishes_at": 0.5}, 0.5, 0.0),
        ({"vanishes_at": 0.5}, 0.9, 0.0),
    ],
)
def test_the_generator_follows_its_part_and_the_discriminator_is_left_alone(
    when: dict[str, Any], p: float, factor: float
) -> None:
    plain, step = make_step(), make_step(features=make_objective(**when))
    for each in (plain, step):
        each.set_p(p)
    reference = Reference(step)
    critic = copied(step.features.critic)  # type: ignore[union-attr]
    for each in (plain, step):
        run(each)
    critic(reference.pipe.transform(reals(), reference.t_real))
    fake = critic(reference.pipe.transform(reference.fake, reference.t_fake))
    loss = softplus(-reference.judge(reference.fake, reference.t_fake)).mean()
    loss = loss + factor * WEIGHT * torch.stack([softplus(-head).mean() for head in fake]).mean()
    loss.backward()
    for found, expected in zip(step.generator.parameters(), reference.g.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad, rtol=1e-4, atol=1e-6)
    for found, expected in zip(
        step.discriminator.parameters(), plain.discriminator.parameters(), strict=True
    ):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("when", [{}, {"vanishes_at": 0.1}], ids=["with", "without the generator"])
def test_its_heads_are_trained_and_nothing_else_of_it(when: dict[str, Any]) -> None:
    step = make_step(features=make_objective(**when))
    critic = step.features.critic  # type: ignore[union-attr]
    before = copied(critic)
    run(step)
    for (name, found), expected in zip(critic.named_parameters(), before.parameters(), strict=True):
        assert not torch.equal(found, expected), name
    for found, expected in zip(
        critic.frozen[0].state_dict().values(), before.frozen[0].state_dict().values(), strict=True
    ):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_its_pass_is_in_the_precision_of_the_networks(autocast: torch.dtype | None) -> None:
    step = make_step(features=make_objective(), autocast=autocast)
    critic = step.features.critic  # type: ignore[union-attr]
    found = []
    for part in (critic.frozen[0].network, *(head.layers[0] for head in critic.heads)):
        part.register_forward_hook(
            lambda *given: found.append(given[-1][0].dtype)  # the first map, or the first image
        )
    assert run(step).finite
    assert set(found) == {autocast or torch.float32}
    assert len(found) == 2 * 3  # of real and generated images


def test_a_probability_of_its_own_shows_it_other_images() -> None:
    losses = []
    for p in (None, 0.0, 0.0, 1.0):
        step = make_step(features=make_objective(p=p))
        step.set_p(1.0)
        losses.append(run(step).losses["features_discriminator"])
    assert losses[1] == losses[2]
    assert losses[0] != losses[1] != losses[3]


def test_microbatches_train_it_too() -> None:
    step = make_step(features=make_objective(), microbatch=2)
    result = run(step)
    assert result.finite
    assert result.losses["features_discriminator"] > 0


@pytest.mark.parametrize(
    ("when", "taking_part"),
    [
        ({"interval": 2}, [0, 2]),
        ({"start_images": 2.5 * COUNT}, [3]),
        ({"start_images": COUNT, "interval": 2}, [2]),
    ],
)
def test_steps_without_it_are_those_of_a_run_without_it(
    when: dict[str, Any], taking_part: list[int]
) -> None:
    for number in range(4):
        plain, step = make_step(), make_step(features=make_objective(**when))
        critic = step.features.critic  # type: ignore[union-attr]
        before, passes = copied(critic), []
        critic.frozen[0].register_forward_hook(lambda *_, passes=passes: passes.append(1))
        results = [run(each, number * COUNT) for each in (plain, step)]
        reported = results[1].losses.keys() - results[0].losses.keys()
        if number in taking_part:
            assert reported == {"features_generator", "features_discriminator"}
            assert len(passes) == 2
            continue
        assert not reported
        assert not passes
        pairs = [(plain.generator, step.generator), (plain.discriminator, step.discriminator)]
        for first, second in [*pairs, (before, critic)]:
            for name, value in first.state_dict().items():
                assert torch.equal(value, second.state_dict()[name]), name


def test_the_statistics_say_the_weight_in_force_and_leave_the_interval_out() -> None:
    found = []
    for when in ({}, {"vanishes_at": 0.8, "interval": 4}):
        step = make_step(features=make_objective(**when))  # type: ignore[arg-type]
        step.set_p(0.2)
        assert set(step.features.reports) <= set(step.reports)  # type: ignore[union-attr]
        found.append(run(step).losses)
    assert "features_weight" not in found[0]
    torch.testing.assert_close(found[1]["features_weight"], torch.tensor(0.75 * WEIGHT))
    torch.testing.assert_close(
        found[1]["features_generator"], 0.75 * found[0]["features_generator"]
    )
    assert found[1]["features_discriminator"] == found[0]["features_discriminator"]


@pytest.mark.parametrize("p", [None, 1.0])
def test_where_the_weight_has_vanished_nothing_leads_back_through_the_network(
    p: float | None,
) -> None:
    step = make_step(features=make_objective(p=p, vanishes_at=0.5))
    graphs = []
    critic = step.features.critic  # type: ignore[union-attr]
    critic.frozen[0].register_forward_hook(lambda *_: graphs.append(_[-1][0].requires_grad))
    for at in (0.4, 0.5):
        step.set_p(at)
        result = run(step)
    assert graphs == [False, True, False, False]  # of real and generated images
    assert result.losses["features_generator"] == result.losses["features_weight"] == 0
    assert result.losses["features_discriminator"] > 0
