"""A run that must end in a given time: rehearsed, planned, and then no other than one whose length was given."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from adavit.config.auto import resolve
from adavit.config.layers import build_config, merge
from adavit.config.run import RunConfig
from adavit.config.section import AUTO
from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import number, read_json
from adavit.runtime.console import Console
from adavit.runtime.time_spans import seconds_in
from adavit.runtime.wording import duration
from adavit.runtime.world import World
from adavit.training.clock import BudgetClock, Clock, Stopwatch
from adavit.training.compiled_trial import faster_step_s, may_try
from adavit.training.rehearsal import TookTooLong, rehearse
from adavit.training.start.build import Start, build_step, first_step
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
    # The first process decides for all: theirs began at other moments.
    left = max(0.0, _budget_s(asked) - world.tell(time.monotonic() - began))

    def make(workload: Workload) -> AdversarialStep:
        return first_step(workload, start, reduction)[0]

    costs = _measured(workload, lambda: make(workload), world, left)
    chosen: dict[str, Any] = {}
    is_open = {key: not asked.is_known(key) for key in (*PLANNED, "training.compile")}
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


def _rehearsed_s(left: float) -> float:
    """Seconds to spend on measuring steps."""
    return min(REHEARSED * left, LONGEST_REHEARSAL_S)


def _measured(
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
            raise UserError(
                f"run.budget is {budget}, of which {duration(left)} are left: too little to measure what a step takes,"
                " and to train. Give the run more time with --budget, or a length with --kimg."
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
    assert workload.config.run.budget is not None
    clock = BudgetClock(
        budget=workload.config.run.budget,
        began=began,
        costs=begun.plan.costs,
        batch=workload.config.training.batch,
        file=None if directory is None else directory.budget,
    )
    clock.keep()  # what was measured, before the first step that counts
    return clock


def stopwatch(workload: Workload) -> Clock:
    """The clock of a run without a budget."""
    every = 1000 * workload.config.metrics.every_kimg if workload.evaluators else None
    return Stopwatch(total_images(workload.config.training), every)


@dataclass(frozen=True)
class ContinuedBudget:
    """The time of a run that goes on.

    Attributes:
        layers: Settings given again or anew; a length in images, given alone, ends an earlier budget.
        is_new: Whether a budget is given, whose clock begins now.
    """

    layers: Sequence[Mapping[str, Any]]
    is_new: bool

    @classmethod
    def of(cls, layers: Sequence[Mapping[str, Any]]) -> "ContinuedBudget":
        """From the layers of the command.

        Raises:
            UserError: If two lengths are given.
        """
        given = merge(*layers)
        budget = (given.get("run") or {}).get("budget")
        kimg = (given.get("training") or {}).get("total_kimg", AUTO)
        if budget is not None and kimg != AUTO:
            raise UserError(
                f"run.budget is {budget} and training.total_kimg {kimg}, expected one of them for a run that goes on:"
                " its length stays, and a budget may end it sooner. Leave --budget or --kimg out."
            )
        ends = kimg != AUTO and "budget" not in (given.get("run") or {})
        return cls([*layers, {"run": {"budget": None}}] if ends else layers, budget is not None)

    def used_s(self, directory: RunDirectory) -> float:
        """Seconds of the budget that earlier commands have used."""
        found = None if self.is_new else number(read_json(directory.budget).get("used_s"))
        return max(0.0, found or 0.0)

    def _left_s(self, config: RunConfig, directory: RunDirectory) -> float:
        """Seconds that are left; 0 too where the clock has ended the run, with what its end takes still to spare."""
        if not self.is_new and read_json(directory.budget).get("ended") is True:
            return 0.0
        return max(0.0, _budget_s(config) - self.used_s(directory))

    def is_used_up(
        self, config: RunConfig, directory: RunDirectory, console: Console, world: World
    ) -> bool:
        """Whether nothing is left of it, on all processes alike; says so."""
        if config.run.budget is None:
            return False
        if world.tell(self._left_s(config, directory)) > 0:
            return False
        console.note(
            f"Run {directory.path} has used its {config.run.budget}. Give it more time with --budget, or a length"
            " with --kimg."
        )
        return True

    def clock(
        self,
        workload: Workload,
        start: Start,
        reduction: Reduction,
        directory: RunDirectory,
        began: float,
    ) -> Clock:
        """The clock that goes on, or begins anew; what the parts of the run take is measured again."""
        budget, world = workload.config.run.budget, reduction.world
        if budget is None:
            return stopwatch(workload)
        used = world.tell(self.used_s(directory))
        left = max(0.0, seconds_in(budget) - used - world.tell(time.monotonic() - began))
        costs = _measured(
            workload,
            lambda: build_step(workload, start, reduction),
            world,
            left,
            goes_on=used > 0,
        )
        clock = BudgetClock(
            budget=budget,
            began=began,
            costs=costs,
            batch=workload.config.training.batch,
            file=None if world.rank else directory.budget,
            used_before=used,
            grids=len(directory.sample_grids()),
        )
        clock.keep()
        return clock


def _budget_s(config: RunConfig) -> float:
    assert config.run.budget is not None
    return seconds_in(config.run.budget)
