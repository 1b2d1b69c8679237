"""The budget of a run that goes on: what is left of it, and the clock that counts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adavit.config.layers import merge
from adavit.config.run import RunConfig
from adavit.config.section import AUTO
from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.reading import number, read_json
from adavit.runtime.console import Console
from adavit.runtime.place import Place
from adavit.runtime.time_spans import seconds_in
from adavit.runtime.world import World
from adavit.training.clock import Clock
from adavit.training.start.build import Start, build_step
from adavit.training.start.workload import Workload, total_images
from adavit.training.step.reduction import Reduction
from adavit.training.within_budget import budget_clock, budget_s, left_s, measured, stopwatch


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
    def of(
        cls, layers: Sequence[Mapping[str, Any]], directory: RunDirectory, place: Place
    ) -> "ContinuedBudget":
        """From the layers of the command.

        Args:
            layers: Settings given again or anew.
            directory: Of the run.
            place: Of this process. Where all are started anew after a failure, the clock goes on that this command
                has begun.

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
        known = read_json(directory.budget)
        begun = (known.get("budget"), known.get("launch")) == (budget, place.launch)
        is_new = budget is not None and not (place.attempt > 0 and begun)
        return cls([*layers, {"run": {"budget": None}}] if ends else layers, is_new)

    def used_s(self, directory: RunDirectory) -> float:
        """Seconds of the budget that earlier commands have used."""
        found = None if self.is_new else number(read_json(directory.budget).get("used_s"))
        return max(0.0, found or 0.0)

    def _left_s(self, config: RunConfig, directory: RunDirectory) -> float:
        """Seconds that are left; 0 too where the clock has ended the run, with what its end takes still to spare."""
        if not self.is_new and read_json(directory.budget).get("ended") is True:
            return 0.0
        return max(0.0, budget_s(config) - self.used_s(directory))

    def is_used_up(
        self,
        config: RunConfig,
        directory: RunDirectory,
        images: int,
        console: Console,
        world: World,
    ) -> bool:
        """Whether nothing is left of it, on all processes alike; says so.

        Args:
            config: Of the run that goes on.
            directory: Its own.
            images: Real images that it has seen.
            console: Told so.
            world: The processes.
        """
        if config.run.budget is None:
            return False
        if world.tell(self._left_s(config, directory)) > 0:
            return False
        used = f"Run {directory.path} has used its {config.run.budget}"
        if images < total_images(config.training):
            remedy = ". Give it more time with --budget, or a length with --kimg."
        else:
            planned = f"{config.training.total_kimg:g} kimg"
            remedy = (
                f", and has seen the {planned} planned for them. Give a larger --kimg to train on."
            )
        console.result(used + remedy)
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
        costs = measured(
            workload,
            lambda: build_step(workload, start, reduction),
            world,
            left_s(seconds_in(budget) - used, world, began),
            goes_on=used > 0,
        )
        return budget_clock(
            workload,
            costs,
            None if world.rank else directory,
            began,
            used_before=used,
            grids=len(directory.sample_grids()),
        )
