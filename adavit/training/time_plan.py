"""How long a run can be in a given time, and how often it evaluates: from what its parts were measured to take."""

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from adavit.config.run import ResolvedConfig
from adavit.errors import UserError
from adavit.runtime.time_spans import seconds_in, span
from adavit.runtime.wording import duration
from adavit.training.film import MOST_FRAMES

AIM = 0.985
"""Part of the budget that is planned for: a run as fast as was measured ends by itself, and a little slower one too."""

EXIT_S = 0.6
"""Seconds from the last line of a command to the end of its process, where it has a core to itself."""

EVALUATING = 0.2
"""Largest part of the time that is spent on evaluations where their number was left open."""

MOST_EVALUATIONS = 11
"""A curve of so many points shows what there is to see."""

FEWEST_FAKES = 500
"""Of an evaluation at the end alone, and half as many as each of two has: of fewer images the figures say little."""

DRAWING = 0.05
"""Largest part of the time that is spent on sample grids and checkpoints where their number was left open; two of each,
at the start and at the end, there are in any case."""

CURVES_SHARE = 0.02
"""Of a run's time at most that goes into drawing its curves again, a second each: on a GPU small networks come to their
next checkpoint in as little."""

MOST_REPORTS, REPORT_S = 100, 3.0
"""Lines of statistics in a run at most, and the seconds between them at least."""

LEAST_TRAINING = 0.1
"""Of the budget; with less left for steps it is too short."""


@dataclass(frozen=True)
class Costs:
    """What the parts of a run take, in seconds.

    Attributes:
        step_s: A training step, with the shares of penalties that are not part of all of them.
        evaluation_s: An evaluation.
        fake_s: Of it, each generated image.
        sheet_s: A sample grid.
        save_s: A checkpoint, with generators.
        curves_s: Drawing the curves, which is not done at each.
        frame_s: A sample grid in the film at the end.
        build_s: Making networks and optimisers.
        exit_s: From the last line of the command to the end of its process.
        kept_s: A generator that is kept, where `run.keep_every_kimg` asks for some.
    """

    step_s: float
    evaluation_s: float
    fake_s: float
    sheet_s: float
    save_s: float
    curves_s: float
    frame_s: float
    build_s: float
    exit_s: float = EXIT_S
    kept_s: float = 0.0

    def of_fakes(self, before: int, fakes: int) -> "Costs":
        """Those with another number of generated images in an evaluation than `before`."""
        return replace(self, evaluation_s=self.evaluation_s + (fakes - before) * self.fake_s)

    def all_curves_s(self, checkpoints: int, seconds: float) -> float:
        """Seconds of drawing the curves in a run, at the most: at the first checkpoint, by `CURVES_SHARE`, and at last.

        Args:
            checkpoints: That are written after its first step.
            seconds: Of the run.
        """
        due = 2 + int(CURVES_SHARE * seconds / max(self.curves_s, 1e-9))
        return min(checkpoints, due) * self.curves_s


@dataclass(frozen=True)
class _Duty:
    """What is done before the first step, where a multiple of a cadence is passed, and at the end.

    Attributes:
        count: How often, where the cadence was left open; it will be chosen for that.
        every_kimg: The cadence that was given, or None.
    """

    count: int
    every_kimg: float | None

    def times(self, steps: int, batch: int) -> int:
        """How often it is done in a run of so many steps, one at least."""
        if self.every_kimg is None or not self.count:
            return self.count
        return 1 + min(steps, math.ceil(steps * batch / (1000 * self.every_kimg)))


@dataclass(frozen=True)
class _Duties:
    """What a run does beside its steps.

    Attributes:
        evaluations: None, or so many.
        grids: Of samples, each a frame of the film, too.
        checkpoints: With generators.
        keep_every_kimg: How often a generator is kept beside the last one and the best, or None.
        batch: Images in a step.
    """

    evaluations: _Duty
    grids: _Duty
    checkpoints: _Duty
    keep_every_kimg: float | None
    batch: int

    @classmethod
    def of(
        cls, config: ResolvedConfig, is_open: Mapping[str, bool], *, evaluations: int, drawn: int
    ) -> "_Duties":
        """Those of a run, with the cadences that were given; where one was left open, so many."""
        run = config.run

        def duty(key: str, every_kimg: float, count: int) -> _Duty:
            return _Duty(count, None if is_open[key] else every_kimg)

        return cls(
            evaluations=duty("metrics.every_kimg", config.metrics.every_kimg, evaluations),
            grids=duty("run.samples_every_kimg", run.samples_every_kimg, drawn),
            checkpoints=duty("run.checkpoint_every_kimg", run.checkpoint_every_kimg, drawn),
            keep_every_kimg=run.keep_every_kimg,
            batch=config.training.batch,
        )

    def seconds(self, steps: int, costs: Costs, room: float) -> float:
        """What they take in a run of so many steps, of which `room` is all that it has."""
        sheets = self.grids.times(steps, self.batch)
        saved = self.checkpoints.times(steps, self.batch)
        return (
            self.evaluations.times(steps, self.batch) * costs.evaluation_s
            + sheets * costs.sheet_s
            + min(sheets, MOST_FRAMES) * costs.frame_s
            + saved * costs.save_s
            + costs.all_curves_s(saved - 1, room)
            + self._kept(steps) * costs.kept_s
        )

    def _kept(self, steps: int) -> int:
        if self.keep_every_kimg is None:
            return 0
        return min(steps, int(steps * self.batch / (1000 * self.keep_every_kimg)))


@dataclass(frozen=True)
class TimePlan:
    """What is chosen for a budget.

    Attributes:
        settings: By section, of what was left open.
        costs: Those that were measured, with evaluations as they will be.
        at_start: Whether the untrained networks are evaluated.
        told: In a line.
    """

    settings: Mapping[str, Mapping[str, Any]]
    costs: Costs
    at_start: bool
    told: str


def plan_time(
    used: float, costs: Costs, config: ResolvedConfig, *, is_open: Mapping[str, bool]
) -> TimePlan:
    """The longest run that ends in time.

    Evaluations have at most `EVALUATING` of it: up to `MOST_EVALUATIONS` where there is time for two, else two or
    one of fewer images, else none; where anything of them was given, at least one. Fakes and cadence that were given
    stay as they are.

    Args:
        used: Seconds of the budget that are used when the run's own networks begin to be made.
        costs: Of this run on this machine, at this moment.
        config: With `run.budget`, as resolved without it.
        is_open: Whether the user has left a setting open, by its key; and all of "metrics".

    Raises:
        UserError: If the time does not do for the start, an evaluation that was asked for, and some steps.
    """
    assert config.run.budget is not None
    metrics, batch = config.metrics, config.training.batch
    seconds = seconds_in(config.run.budget)
    room = AIM * seconds - used - costs.build_s - costs.exit_s
    count, fakes = 0, metrics.fakes
    if metrics.names:
        count, fakes = _evaluations(room, costs, fakes, may_shrink=is_open["metrics.fakes"])
        if not count and not is_open["metrics"]:
            count = 1
            if is_open["metrics.fakes"]:
                fakes = min(fakes, FEWEST_FAKES)
    costs = costs.of_fakes(metrics.fakes, fakes) if count else replace(costs, evaluation_s=0.0)

    # Grids and checkpoints come with evaluations, with each, every second, third, ...: what is set aside before a
    # collapse is a checkpoint that was measured. Where evaluations make no curve, these come as if they did.
    spans = (count if count > 1 else MOST_EVALUATIONS) - 1
    apart = math.ceil(spans / max(1, _most_drawn(room, costs, is_open) - 1))
    duties = _Duties.of(config, is_open, evaluations=count, drawn=1 + math.ceil(spans / apart))

    def seconds_of(steps: int) -> float:
        """From before the first step to the last line of the command."""
        return steps * costs.step_s + duties.seconds(steps, costs, room)

    # The longer, the more: of 1, 2, ... steps so many runs end in time.
    within = range(1, 1 + max(0, int(room / costs.step_s)))
    steps = bisect.bisect_right(within, room, key=seconds_of)
    fixed = duties.seconds(1, costs, room)
    if steps < 1 or room - fixed < LEAST_TRAINING * seconds:
        raise _too_short(config.run.budget, used, costs, fixed, has_evaluation=count > 0)
    total = batch * steps / 1000
    span_kimg = _rounded_up(total / spans)
    drawn_every = float(f"{apart * span_kimg:.6g}")
    if count and not is_open["metrics.every_kimg"]:
        drawn_every = _in_step(drawn_every, metrics.every_kimg)
    reports = max(1, min(MOST_REPORTS, int(seconds / REPORT_S)))
    chosen: dict[str, Any] = {
        "training.total_kimg": total,
        "metrics.every_kimg": span_kimg if count > 1 else _rounded_up(total),
        "metrics.fakes": fakes,
        "run.status_every_kimg": max(batch / 1000, _rounded_up(total / reports)),
        "run.samples_every_kimg": drawn_every,
        "run.checkpoint_every_kimg": drawn_every,
    }
    settings: dict[str, dict[str, Any]] = {}
    for key, value in chosen.items():
        if is_open[key]:
            section, _, name = key.partition(".")
            settings.setdefault(section, {})[name] = value
    if metrics.names and not count:
        settings.setdefault("metrics", {})["names"] = []
    times = duties.evaluations.times(steps, batch)
    told = (
        f"{config.run.budget}, of which the start took {duration(used)}: {total:g} kimg at"
        f" {batch / costs.step_s:.0f} images/s; {_evaluations_told(config, costs, times, fakes)}"
    )
    return TimePlan(settings, costs, times > 1, told)


def _evaluations_told(config: ResolvedConfig, costs: Costs, count: int, fakes: int) -> str:
    if count:
        times = "one evaluation at the end" if count == 1 else f"{count} evaluations"
        return f"{times} of {fakes:,} images, about {duration(costs.evaluation_s)} each"
    if config.metrics.names:
        return "nothing is evaluated, for which it is too short"
    return "nothing is evaluated"


def _most_drawn(room: float, costs: Costs, is_open: Mapping[str, bool]) -> int:
    """How many sample grids and checkpoints take no more than `DRAWING`, of those whose cadence was left open."""
    each = (
        is_open["run.samples_every_kimg"] * (costs.sheet_s + costs.frame_s)
        + is_open["run.checkpoint_every_kimg"] * costs.save_s
    )
    return int(DRAWING * room / max(each, 1e-9))


def _in_step(every_kimg: float, other_kimg: float) -> float:
    """The next longer cadence that is a multiple of another one, or of which that is a multiple."""
    if every_kimg <= other_kimg:
        return other_kimg / (other_kimg // every_kimg)
    return other_kimg * math.ceil(every_kimg / other_kimg)


def _evaluations(room: float, costs: Costs, fakes: int, *, may_shrink: bool) -> tuple[int, int]:
    """How many evaluations there is time for, and of how many images."""
    allowed = EVALUATING * room
    if 2 * costs.evaluation_s <= allowed:
        return min(MOST_EVALUATIONS, int(allowed / max(costs.evaluation_s, 1e-9))), fakes
    if may_shrink:
        for count in (2, 1):
            spare = allowed / count - costs.of_fakes(fakes, 0).evaluation_s
            fewer = min(fakes, int(spare / max(costs.fake_s, 1e-9)) // 100 * 100)
            if fewer >= count * FEWEST_FAKES:
                return count, fewer
        return 0, fakes
    return int(costs.evaluation_s <= allowed), fakes


def _too_short(
    budget: str, used: float, costs: Costs, fixed: float, *, has_evaluation: bool
) -> UserError:
    needed = (used + costs.build_s + fixed + costs.step_s + costs.exit_s) / (AIM - LEAST_TRAINING)
    evaluations = " with its evaluation" if has_evaluation else ""
    return UserError(
        f"run.budget is {budget}, but the start took {duration(used)} and sample grids, checkpoints and the end"
        f"{evaluations} take about {duration(fixed + costs.exit_s)}, expected time for steps as well. Use --budget"
        f" {span(math.ceil(1.2 * needed))}."
    )


def _rounded_up(kimg: float) -> float:
    """To two digits, so that names and records are short."""
    size = 10.0 ** (math.floor(math.log10(kimg)) - 1)
    return float(f"{math.ceil(kimg / size - 1e-9) * size:.6g}")
