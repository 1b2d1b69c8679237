"""A run that must end in a given time: rehearsed, planned, and then no other than one with the settings it chose."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from adavit.config.auto import resolve
from adavit.config.layers import build_config, merge
from adavit.config.run import RunConfig
from adavit.config.section import AUTO
from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import Console
from adavit.runtime.time_spans import seconds_in
from adavit.runtime.wording import duration
from adavit.runtime.world import World
from adavit.training.clock import BudgetClock, Clock, Stopwatch
from adavit.training.compiled_trial import faster_step_s, may_try
from adavit.training.rehearsal import TookTooLong, rehearse
from adavit.training.start.build import Start, first_step
from adavit.training.start.workload import Workload, facts_of, total_images
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.reduction import Reduction
from adavit.training.time_plan import Costs, TimePlan, plan_time

REHEARSED = 0.03
"""Part of the budget that is spent on measuring steps, if one of each kind takes no longer."""

LARGEST_REHEARSAL = 0.5
"""Part of the budget after which measuring is given up."""

LONGEST_REHEARSAL_S = 20.0
"""So many seconds of steps tell as much as more of them would."""

PLANNED = (
    "training.total_kimg",
    "metrics.every_kimg",
    "metrics.fakes",
    "run.status_every_kimg",
    "run.samples_every_kimg",
    "run.checkpoint_every_kimg",
)
"""Settings that are chosen for a budget where they are left open."""


def check_one_length(config: RunConfig) -> None:
    """Refuses a length in images beside one in time.

    Raises:
        UserError: If both are given.
    """
    if config.run.budget is not None and config.is_known("training.total_kimg"):
        raise UserError(
            f"run.budget is {config.run.budget} and training.total_kimg {config.training.total_kimg:g}, expected one"
            " length, in time or in images. Leave --budget out, or --kimg; where a preset or a file gives the latter,"
            " --set training.total_kimg=auto leaves it open."
        )


@dataclass(frozen=True)
class BudgetedStart:
    """A new run with a budget, before its own networks are made.

    Attributes:
        workload: With the length and cadence that were chosen.
        plan: What was measured and chosen.
        may_be_faster: Whether compiled steps are worth a trial that was not made.
    """

    workload: Workload
    plan: TimePlan
    may_be_faster: bool


def fit_budget(
    asked: RunConfig,
    workload: Workload,
    start: Start,
    reduction: Reduction,
    began: float,
    console: Console | None = None,
) -> BudgetedStart:
    """Measures what a run takes, and chooses its length.

    Args:
        asked: As the user and what the run starts from have it, with what is left open.
        workload: Of the run, as if it had no budget.
        start: What its networks start from.
        reduction: As in `build_step`; all processes measure together.
        began: `time.monotonic` when the command began.
        console: Told how it goes to compile steps, which takes minutes; None does not try it.

    Raises:
        UserError: If the time is too short.
    """
    world = reduction.world
    left = left_s(budget_s(asked), world, began)

    def make(workload: Workload) -> AdversarialStep:
        return first_step(workload, start, reduction)[0]

    costs = measured(workload, lambda: make(workload), world, left)
    chosen: dict[str, Any] = {}
    is_open = left_open(asked)
    tries = is_open["training.compile"] and may_try(workload, left, world.size)
    if tries and console is not None:
        compiled_s = faster_step_s(
            workload,
            make,
            console,
            step_s=costs.step_s,
            seconds=_rehearsed_s(left),
            left=left,
        )
        if compiled_s is not None:
            costs = replace(costs, step_s=compiled_s)
            chosen = {"training": {"compile": True}}
    used = world.tell(time.monotonic() - began)
    plan = plan_time(used, costs, workload.config, is_open=is_open)
    fitted = _with_length(workload, asked, merge(plan.settings, chosen))
    return BudgetedStart(fitted, plan, tries and console is None)


def left_open(asked: RunConfig) -> dict[str, bool]:
    """Which of what may be chosen for a budget the user has left open, and whether all of "metrics"."""
    open_keys = {key: not asked.is_known(key) for key in (*PLANNED, "training.compile")}
    return open_keys | {"metrics": asked.metrics == build_config([]).metrics}


def left_s(seconds: float, world: World, began: float) -> float:
    """Seconds that are left of so many: the first process decides for all, as theirs began at other moments."""
    return max(0.0, seconds - world.tell(time.monotonic() - began))


def _rehearsed_s(left: float) -> float:
    """Seconds to spend on measuring steps."""
    return min(REHEARSED * left, LONGEST_REHEARSAL_S)


def measured(
    workload: Workload,
    make: Callable[[], AdversarialStep],
    world: World,
    left: float,
    *,
    goes_on: bool = False,
) -> Costs:
    """What a run takes; its networks are made once more.

    Args:
        workload: Of the run.
        make: Makes its networks.
        world: Its processes.
        left: Seconds of the budget.
        goes_on: Whether the others were used by this run.

    Raises:
        UserError: If measuring it takes too much of them.
    """
    started = time.perf_counter()
    step = make()
    build_s = world.tell(time.perf_counter() - started)
    limit_s = LARGEST_REHEARSAL * left
    try:
        return rehearse(
            workload,
            step,
            seconds=_rehearsed_s(left),
            limit_s=limit_s,
            build_s=build_s,
        )
    except TookTooLong:
        budget = workload.config.run.budget
        if goes_on:
            compiling = " Its steps are compiled first: --no-compile saves the time for that."
            raise UserError(
                f"run.budget is {budget}, of which {duration(left)} are left: too little to measure what a step takes,"
                " and to train. Give the run more time with --budget, or a length with --kimg."
                + compiling
                * workload.config.training.compile
            ) from None
        threads = torch.get_num_threads()
        crowded = (
            f" With OMP_NUM_THREADS=1 before the command steps may be many times as fast: {threads} threads wait for"
            " each other where other programs keep the cores busy."
        )
        raise UserError(
            f"run.budget is {budget}, but one step of each kind, a sample grid, a checkpoint and a"
            f" small evaluation took longer than the {duration(limit_s)} that measuring them may take, expected a run"
            f" of many of them. Give a larger --budget, or smaller networks.{crowded if threads > 1 else ''}"
        ) from None
    finally:
        # The run's own networks need the room of these, which trainers and graphs hold in circles.
        del step
        gc.collect()


def _with_length(
    workload: Workload, asked: RunConfig, chosen: Mapping[str, Mapping[str, Any]]
) -> Workload:
    """The workload with settings that were left open, and with all that hangs on them."""
    values = workload.config.as_dict()
    for section, fields in asked.as_dict().items():
        values[section] |= {key: AUTO for key, value in fields.items() if value == AUTO}
    config = resolve(build_config([values, chosen]), facts_of(workload))
    return replace(
        workload, config=config, evaluators=workload.evaluators if config.metrics.names else ()
    )


def clock_of(
    begun: BudgetedStart | None, workload: Workload, directory: RunDirectory | None, began: float
) -> Clock:
    """The clock of a new run.

    Args:
        begun: With a budget; None without one.
        workload: Of the run.
        directory: Where the time used is written; None for a process beside the one that writes.
        began: `time.monotonic` when the command began.
    """
    if begun is None:
        return stopwatch(workload)
    return budget_clock(workload, begun.plan.costs, directory, began)


def budget_clock(
    workload: Workload,
    costs: Costs,
    directory: RunDirectory | None,
    began: float,
    *,
    used_before: float = 0.0,
    grids: int = 0,
) -> BudgetClock:
    """A clock that has begun, with what was measured written down before the first step that counts.

    Args:
        workload: Of a run with a budget.
        costs: What was measured.
        directory: As in `clock_of`.
        began: Likewise.
        used_before: Seconds that earlier commands have used.
        grids: Sample grids that they have left.
    """
    assert workload.config.run.budget is not None
    clock = BudgetClock(
        budget=workload.config.run.budget,
        began=began,
        costs=costs,
        batch=workload.config.training.batch,
        file=None if directory is None else directory.budget,
        used_before=used_before,
        grids=grids,
    )
    clock.keep()
    return clock


def stopwatch(workload: Workload) -> Clock:
    """The clock of a run without a budget."""
    every = 1000 * workload.config.metrics.every_kimg if workload.evaluators else None
    return Stopwatch(total_images(workload.config.training), every)


def budget_s(config: RunConfig) -> float:
    """Seconds of the budget of a run that has one."""
    assert config.run.budget is not None
    return seconds_in(config.run.budget)
