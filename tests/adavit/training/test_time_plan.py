"""Plans, against a walk through the run that they describe."""

import math
import re

import pytest

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, flatten, merge
from adavit.config.run import ResolvedConfig
from adavit.errors import UserError
from adavit.runtime.resolution import Resolution
from adavit.runtime.time_spans import seconds_in
from adavit.training.film import MOST_FRAMES
from adavit.training.start.workload import total_images
from adavit.training.time_plan import (
    AIM,
    CURVES_SHARE,
    DRAWING,
    EVALUATING,
    EXIT_S,
    FEWEST_FAKES,
    Costs,
    TimePlan,
    plan_time,
)
from adavit.training.within_budget import left_open

COSTS = Costs(
    step_s=0.05,
    evaluation_s=4.0,
    fake_s=0.001,
    sheet_s=0.1,
    save_s=0.2,
    curves_s=0.3,
    frame_s=0.03,
    build_s=0.4,
    kept_s=0.05,
)
USED = 6.0
Layer = dict[str, dict[str, object]]


def planned(
    budget: str, *layers: Layer, costs: Costs = COSTS, used: float = USED
) -> tuple[TimePlan, ResolvedConfig]:
    asked = build_config([{"run": {"budget": budget}}, *layers])
    config = resolve(asked, RunFacts(Resolution(32, 32), 1000, "cpu"))
    plan = plan_time(used, costs, config, is_open=left_open(asked))
    return plan, ResolvedConfig.model_validate(merge(config.as_dict(), plan.settings))


def evaluations(plan: TimePlan) -> int:
    """How many it tells of."""
    if "nothing is evaluated" in plan.told:
        return 0
    found = re.search(r"(\w+) evaluations? (?:at the end )?of", plan.told)
    assert found is not None
    return 1 if found[1] == "one" else int(found[1])


def walked(plan: TimePlan, config: ResolvedConfig, used: float = USED) -> float:
    """Seconds of the run, step by step and duty by duty."""
    costs, end = plan.costs, total_images(config.training)
    seconds, curves_due_at, grids = used + costs.build_s + EXIT_S, 0.0, 0
    cadences = [
        (config.run.samples_every_kimg, costs.sheet_s, True),
        (config.run.checkpoint_every_kimg, costs.save_s, True),
    ]
    if config.metrics.names:
        cadences.append((config.metrics.every_kimg, costs.evaluation_s, plan.at_start))
    for images in range(0, end + 1, config.training.batch):

        def passed(every: float, images: int = images) -> bool:
            return images // (1000 * every) > max(0, images - config.training.batch) // (
                1000 * every
            )

        seconds += costs.step_s if images else 0
        if config.run.keep_every_kimg is not None:
            seconds += costs.kept_s * passed(config.run.keep_every_kimg)
        for every, cost, at_start in cadences:
            if at_start if not images else passed(every) or images == end:
                seconds += cost
                grids += cost == costs.sheet_s
                if cost == costs.save_s and images and (seconds >= curves_due_at or images == end):
                    seconds += costs.curves_s
                    curves_due_at = seconds + costs.curves_s / CURVES_SHARE
    return seconds + min(grids, MOST_FRAMES) * costs.frame_s


@pytest.mark.parametrize("budget", ["30s", "60s", "90s", "4m", "10m", "1h"])
@pytest.mark.parametrize(
    "layer",
    [
        {},
        {"metrics": {"fakes": 2500}},
        {"metrics": {"every_kimg": 2.75}},
        {"metrics": {"names": []}},
        {"training": {"batch": 48}},
        {"run": {"checkpoint_every_kimg": 0.1}},
        {"run": {"samples_every_kimg": 0.25}},
        {"run": {"keep_every_kimg": 0.1}},
        {
            "run": {
                "checkpoint_every_kimg": 0.01,
                "samples_every_kimg": 0.3,
                "keep_every_kimg": 0.01,
            },
            "metrics": {"every_kimg": 1.5},
        },
    ],
    ids=[
        "open",
        "fakes",
        "cadence",
        "unmeasured",
        "batch",
        "checkpoints",
        "samples",
        "kept",
        "all",
    ],
)
def test_a_run_as_fast_as_measured_uses_its_time_and_no_more(budget: str, layer: Layer) -> None:
    plan, config = planned(budget, layer)
    part = walked(plan, config) / seconds_in(budget)
    assert 0.95 <= part <= AIM + 0.001 <= 1


def test_evaluations_have_their_part_and_are_as_many_as_are_told() -> None:
    plan, config = planned("4m")
    assert plan.at_start
    assert evaluations(plan) * COSTS.evaluation_s <= EVALUATING * 240
    assert "evaluations of 2,000 images" in plan.told
    assert (evaluations(plan) - 1) * config.metrics.every_kimg >= config.training.total_kimg
    assert (evaluations(plan) - 2) * config.metrics.every_kimg < config.training.total_kimg


SLOW_TO_SAVE = Costs(16 / 235, 0.6, 0.0003, 1.0, 8.0, 0.5, 0.3, 1.0)


@pytest.mark.parametrize("budget", ["2m", "10m", "1h"])
@pytest.mark.parametrize("layer", [{}, {"run": {"samples_every_kimg": 0.5}}], ids=["open", "grids"])
def test_what_is_drawn_and_saved_has_its_part_however_often_is_evaluated(
    budget: str, layer: Layer
) -> None:
    plan, config = planned(budget, layer, costs=SLOW_TO_SAVE, used=3.0)
    total, each = config.training.total_kimg, SLOW_TO_SAVE.save_s
    assert evaluations(plan) == 11
    if not layer:
        each += SLOW_TO_SAVE.sheet_s + SLOW_TO_SAVE.frame_s
        assert config.run.samples_every_kimg == config.run.checkpoint_every_kimg
    checkpoints = 1 + math.ceil(total / config.run.checkpoint_every_kimg)
    assert 2 * each <= checkpoints * each <= max(2 * each, DRAWING * seconds_in(budget))
    # Those that a run writes on its way are of evaluations.
    of_evaluations = config.run.checkpoint_every_kimg / config.metrics.every_kimg
    assert of_evaluations == pytest.approx(round(of_evaluations))
    assert walked(plan, config, 3.0) <= (AIM + 0.001) * seconds_in(budget) <= seconds_in(budget)


@pytest.mark.parametrize("every_kimg", [0.5, 2.75, 100.0, 1000.0])
def test_checkpoints_come_with_evaluations_of_a_cadence_that_was_given(every_kimg: float) -> None:
    _, config = planned("10m", {"metrics": {"every_kimg": every_kimg}})
    ratio = config.run.checkpoint_every_kimg / every_kimg
    ratio = max(ratio, 1 / ratio)
    assert ratio == pytest.approx(round(ratio))
    assert config.run.checkpoint_every_kimg < config.training.total_kimg / 4


def test_of_a_long_run_there_are_no_more_than_make_a_curve() -> None:
    plan, _ = planned("10h")
    assert evaluations(plan) == 11


def test_what_hangs_on_the_length_follows_it() -> None:
    _, config = planned("4m")
    assert config.run.samples_every_kimg == config.metrics.every_kimg
    assert config.run.status_every_kimg < config.training.total_kimg / 50


@pytest.mark.parametrize(
    ("evaluation_s", "fake_s", "fakes", "count"),
    [(4.0, 0.001, 2000, 2), (7.0, 0.003, 1300, 2), (12.0, 0.005, 1600, 1), (30.0, 0.002, None, 0)],
)
def test_a_short_run_has_fewer_images_or_fewer_evaluations_or_none(
    evaluation_s: float, fake_s: float, fakes: int | None, count: int
) -> None:
    costs = Costs(0.05, evaluation_s, fake_s, 0.1, 0.2, 0.3, 0.03, 0.4)
    plan, config = planned("60s", costs=costs)
    assert evaluations(plan) == count
    if fakes is None:
        assert config.metrics.names == ()
        assert "nothing is evaluated, for which it is too short" in plan.told
    else:
        assert abs(config.metrics.fakes - fakes) <= 100
        assert plan.at_start == (count == 2)
        assert f"{config.metrics.fakes:,} images" in plan.told


@pytest.mark.parametrize(
    "given",
    [{"names": ["kid"]}, {"extractor": ["random"]}, {"every_kimg": 1000.0}, {"patience_kimg": 5.0}],
    ids=lambda given: next(iter(given)),
)
def test_an_evaluation_of_which_something_was_given_is_never_left_out(
    given: dict[str, object],
) -> None:
    costs = Costs(0.05, 30.0, 0.002, 0.1, 0.2, 0.3, 0.03, 0.4)
    assert evaluations(planned("60s", costs=costs)[0]) == 0
    plan, config = planned("100s", {"metrics": given}, costs=costs)
    assert evaluations(plan) >= 1
    assert config.metrics.names
    with pytest.raises(UserError, match=r"with its evaluation take about .* Use --budget \d"):
        planned("30s", {"metrics": given}, costs=costs)


def test_only_what_was_left_open_is_chosen() -> None:
    given = {
        "metrics": {"every_kimg": 2.5, "fakes": 300},
        "run": {"status_every_kimg": 1.5, "samples_every_kimg": 4, "checkpoint_every_kimg": 9},
    }
    plan, config = planned("4m", given)
    assert flatten(plan.settings).keys() == {"training.total_kimg"}
    held = flatten(config.as_dict())
    assert all(held[key] == value for key, value in flatten(given).items())


@pytest.mark.parametrize(
    ("budget", "layer", "used"),
    [("5s", {}, 6.0), ("8s", {}, 6.0), ("12s", {"metrics": {"fakes": 2000}}, 6.0)],
)
def test_a_time_that_does_not_do_names_one_that_does(
    budget: str, layer: Layer, used: float
) -> None:
    with pytest.raises(UserError, match=rf"^run.budget is {budget}, but the start took") as error:
        planned(budget, layer, used=used)
    enough = str(error.value).rpartition("--budget ")[2].rstrip(".")
    planned(enough, layer, used=used)


def test_an_unreadable_budget_is_named() -> None:
    with pytest.raises(UserError, match=r"run.budget: 'soon' is not a span of time, expected"):
        build_config([{"run": {"budget": "soon"}}])


def test_an_evaluation_that_must_be_is_of_few_images_where_their_number_was_left_open() -> None:
    costs = Costs(0.05, 40.0, 0.019, 0.1, 0.2, 0.3, 0.03, 0.4)  # as Inception on a CPU
    plan, config = planned("60s", {"metrics": {"names": ["fid"]}}, costs=costs)
    assert evaluations(plan) == 1
    assert config.metrics.fakes == FEWEST_FAKES
    assert config.training.total_kimg > 10
    with pytest.raises(UserError, match="with its evaluation take about"):
        planned("50s", {"metrics": {"names": ["fid"], "fakes": 2000}}, costs=costs)
