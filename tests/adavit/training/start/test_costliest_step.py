"""The p at which a run is foreseen, by hand for each way in which p moves."""

from typing import Any

import pytest

from adavit.augment import AdaptiveProbability
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import ResolvedConfig
from adavit.runtime.resolution import Resolution
from adavit.training.passes.pseudo_augmentation import PseudoAugmentation
from adavit.training.start.costliest_step import make_costliest
from tests.adavit.training.objectives.test_feature_critic import make_objective
from tests.adavit.training.small_step import COUNT, make_step

SCHEDULED = {"mode": "scheduled", "schedule_kimg": 1}


def resolved(augment: dict[str, Any]) -> ResolvedConfig:
    facts = RunFacts(Resolution.of(16), 100, "cpu")
    return resolve(build_config([{"augment": augment}]), facts)


@pytest.mark.parametrize(
    ("augment", "vanishes_at", "p"),
    [
        ({}, None, 0.4),
        ({}, 0.5, 0.4),
        ({}, 0.4, 0.2),  # half way to where it vanishes
        ({}, 0.3, 0.15),
        ({"p_max": 0.2}, None, 0.2),
        ({"p_max": 0.2}, 0.3, 0.2),
        ({"mode": "fixed", "p": 0.7}, None, 0.7),
        ({"mode": "fixed", "p": 0.7}, 0.8, 0.7),
        ({"mode": "fixed", "p": 0.7}, 0.5, 0.7),  # the generator never follows it
        ({"mode": "none"}, 0.3, 0.0),
        ({**SCHEDULED, "p": 0.3}, None, 0.3),
        ({**SCHEDULED, "p": 0.9}, 0.2, 0.1),
        ({**SCHEDULED, "p": 0.6, "initial_p": 0.5}, None, 0.5),
        ({**SCHEDULED, "p": 0.1, "initial_p": 0.5}, 0.2, 0.15),
        ({**SCHEDULED, "p": 0.6, "initial_p": 0.5}, 0.2, 0.5),  # never, likewise
    ],
)
@pytest.mark.parametrize("start_images", [0, 10 * COUNT])
def test_a_step_is_taken_where_it_takes_the_most(
    augment: dict[str, Any], vanishes_at: float | None, p: float, start_images: int
) -> None:
    step = make_step(features=make_objective(vanishes_at=vanishes_at, start_images=start_images))
    make_costliest(step, resolved(augment).augment)
    assert step.p == pytest.approx(p)
    assert step.pipe.p.item() == pytest.approx(p)
    critic = step.terms(0, step.slices(COUNT)).critic
    assert critic is not None
    assert critic.teaches_generator is (vanishes_at is None or p < vanishes_at)


def test_a_step_without_a_critic_is_augmented() -> None:
    step = make_step()
    make_costliest(step, resolved({}).augment)
    assert step.p == pytest.approx(0.4)


@pytest.mark.parametrize(("cap", "p"), [(0.8, 0.4), (0.3, 0.3), (0.0, 0.0)])
def test_images_that_are_shown_as_real_are_drawn(cap: float, p: float) -> None:
    moved = AdaptiveProbability(initial=0.0, p_max=cap, speed_kimg=0.1)
    step = make_step(pseudo=PseudoAugmentation(moved))
    make_costliest(step, resolved({}).augment)
    assert step.terms(0, step.slices(COUNT)).pseudo_p == (p or None)
