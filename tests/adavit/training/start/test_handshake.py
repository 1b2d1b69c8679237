"""What processes compare before they train: all that decides the run, and nothing that each machine may have."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from adavit.config.layers import flatten
from adavit.config.run import RunConfig
from adavit.runtime.console import SilentConsole
from adavit.training.start.build import build_step
from adavit.training.start.handshake import (
    MAY_DIFFER,
    agreed_reduction,
    digest_of_state,
    facts_of,
    with_common_slices,
)
from adavit.training.start.workload import prepare
from adavit.training.step.reduction import Fast, InOrder
from tests.telling import Told

Tiny = Callable[..., RunConfig]


def facts(config: RunConfig) -> dict[str, Any]:
    return facts_of(prepare(config, SilentConsole()))


def test_all_but_where_things_lie_is_compared(tiny: Tiny) -> None:
    found = facts(tiny())
    keys = flatten(prepare(tiny(), SilentConsole()).config.as_dict()).keys()
    assert keys >= MAY_DIFFER
    assert keys - found.keys() == MAY_DIFFER
    assert found["training.batch"] == 8


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"training": {"microbatch": 4}}, {"training.microbatch"}),
        ({"run": {"seed": 1}}, {"run.seed"}),
        ({"run": {"out": "elsewhere"}}, set()),
    ],
)
def test_a_difference_is_found_under_its_key(
    tiny: Tiny, change: dict[str, Any], differing: set[str]
) -> None:
    first, other = facts(tiny()), facts(tiny(change))
    assert {key for key in first if first[key] != other[key]} == differing


def test_other_images_under_the_same_name_are_found(tiny: Tiny, pictures: Path) -> None:
    first = facts(tiny())
    next(pictures.rglob("*.png")).unlink()
    other = facts(tiny())
    assert {key for key in first if first[key] != other[key]} == {
        "images (fingerprint)",
        "images of the metrics (fingerprint)",
    }


def test_a_weight_that_differs_changes_the_digest(tiny: Tiny) -> None:
    step = build_step(prepare(tiny(), SilentConsole()))
    before = digest_of_state(step.stateful_parts())
    assert digest_of_state(step.stateful_parts()) == before
    assert len(before) == 8
    parameter = next(step.generator.parameters())
    with torch.no_grad():
        parameter.view(-1)[0].nextafter_(torch.tensor(9.0))
    assert digest_of_state(step.stateful_parts()) != before


@pytest.mark.parametrize(
    ("chosen", "others", "expected"),
    [
        (True, (4, 1), 4),
        (True, (8, 1), 8),
        (True, (4, 0), 8),  # given to the other one: compared, and refused
        (False, (4, 1), 8),
    ],
)
def test_of_microbatches_that_each_process_chose_the_smallest_is_that_of_all(
    tiny: Tiny, chosen: bool, others: tuple[int, int], expected: int
) -> None:
    workload = prepare(tiny({"training": {"microbatch": 8}}), SilentConsole())
    world = SimpleNamespace(gather=lambda own: [own, torch.tensor(others)])
    group: Any = SimpleNamespace(world=world)
    told = Told()
    found = with_common_slices(workload, group, told, chosen=chosen)
    assert found.config.training.microbatch == expected
    assert ["Microbatch: 4 of 8 images" in note for note in told.notes] == [True] * (expected == 4)


@pytest.mark.parametrize(("wanted", "kind"), [(True, Fast), (False, InOrder)])
def test_gradients_are_summed_as_the_settings_say(tiny: Tiny, wanted: bool, kind: type) -> None:
    settings = {"microbatch": 4, "fast_reduce": wanted}
    group: Any = SimpleNamespace(world=SimpleNamespace(rank=0, size=2), agree=lambda _: None)
    workload = prepare(tiny({"training": settings}), SilentConsole())
    assert type(agreed_reduction(workload, group)) is kind
