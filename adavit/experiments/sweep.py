"""`sweep`: a search for the settings with the lowest figure, by Optuna's sampler and pruner."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adavit.config.layers import Values, build_config
from adavit.errors import RunError, UserError
from adavit.experiments.cell import Cell, Sources, digest_of
from adavit.experiments.database import shown_url
from adavit.experiments.experiment_file import FILES, check_folder
from adavit.experiments.queue import DONE, JOB, Outcome, Queue
from adavit.experiments.sweep_file import Sweep, read_sweep
from adavit.experiments.sweep_plan import SweepPlan, shown_value
from adavit.experiments.tables import seconds_in_all, summary_table, total_time
from adavit.experiments.worker_pool import WorkerPool
from adavit.metrics.names import recorded_name
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.paths import takes_paths
from adavit.runtime.wording import counted

DEFAULT_PARENT = Path("runs/sweeps")
BEGUN_WITH = "begun_with"
"""In the queue: a digest of what all runs of the sweep share."""


@takes_paths("source", "out")
def sweep(
    source: str,
    *,
    out: Path | None = None,
    layers: Sequence[Values] = (),
    metric: str | None = None,
    trials: int | None = None,
    storage: str | None = None,
    workers: int | None = None,
    devices: Sequence[str] = (),
    processes: int | None = None,
    retry_failed: bool = False,
    dry_run: bool = False,
    console: Console | None = None,
) -> str:
    """Searches for the settings with the lowest figure; goes on where it was interrupted.

    Args:
        source: A YAML file, or the name of a shipped sweep; a path wins over a name.
        out: Where the run directories go. None: runs/sweeps/NAME.
        layers: Settings laid over those that all runs share, weakest first.
        metric: What is to be lowest, of `metrics.names`. None: the file's, or the first.
        trials: How many runs, those of an earlier start counted. None: as the file says.
        storage: URL of the queue's database. None: a file in `out`.
        workers: Runs at a time. None: one per device, or group of devices.
        devices: Where they run, in turn. Empty: chosen by each run.
        processes: That train a run together, each on a device of its own where they are GPUs. None: one.
        retry_failed: Take up again what has failed before.
        dry_run: Train nothing; describe the search.
        console: Told how it goes.

    Returns:
        What would be searched and the time to expect, or a table of the runs with the best first.

    Raises:
        UserError: If the user can mend it.
        RunError: If all runs have failed.
        Stopped: After SIGINT or SIGTERM.
    """
    console = console or SilentConsole()
    given = read_sweep(source)
    folder = out or DEFAULT_PARENT / given.name
    pool = WorkerPool.asked_for(
        folder, storage=storage, workers=workers, devices=devices, processes=processes
    )
    chosen = given.with_overrides([*layers, *pool.settings], metric=metric, trials=trials)
    check_folder(folder, "sweep", chosen.name)
    plan = _plan(chosen)
    pool.check_devices()
    # Data or a device that are not there fail here, not in every run.
    example = plan.make_cell("trial 0", _first_ends(chosen))
    pool.check_shares([example])
    if dry_run:
        return _describe(plan, example, folder, pool)
    _check_begun_alike(plan, example, pool, console)
    queue, outcomes = pool.carry_out(
        plan,
        file=FILES["sweep"],
        text=chosen.as_yaml(),
        opening=f"Sweep {chosen.name}: {counted(chosen.trials, 'run', 'runs')} in {folder},"
        f" lowest {_judge(plan, example)} wins.",
        noun="runs",
        retry_failed=retry_failed,
        console=console,
    )
    return _table(plan, queue, folder, outcomes)


def _plan(chosen: Sweep) -> SweepPlan:
    """Checks what can be checked before the first run: both ends of a range, beside the first ones of the others."""
    firsts = _first_ends(chosen)
    config = build_config([chosen.settings(firsts)])
    names = config.metrics.names
    if not names:
        raise UserError(
            "metrics.names is empty, expected what a sweep is to make lowest. Name it, such as --set metrics.names=kid."
        )
    if chosen.metric is not None and chosen.metric not in names:
        raise UserError(
            f"--metric is {chosen.metric!r}, but metrics.names is {','.join(names)}."
            " Name one that is measured, or add it to metrics.names."
        )
    sources, marked = Sources(), False
    for key, values in chosen.search.items():
        for end in _ends(values):
            drawn = build_config([chosen.settings({**firsts, key: end})])
            marked |= sources.marks(drawn, SilentConsole())
    return SweepPlan(chosen, config.run.seed, chosen.metric or names[0], marked)


def _first_ends(chosen: Sweep) -> Values:
    """A value of each setting that is searched for."""
    return {key: _ends(values)[0] for key, values in chosen.search.items()}


def _check_begun_alike(plan: SweepPlan, example: Cell, pool: WorkerPool, console: Console) -> None:
    """Refuses to go on with other settings, images or ranges: a job's name says nothing of them.

    Figures of the runs before would be ranked with the new ones, and prune them.
    """
    # The example's digest holds the shared settings and the images; of the search it has the first ends alone.
    search = {"search": plan.sweep.search}
    digest = digest_of(search, {"example": example.digest})
    patience = pool.patience(console, pool.opening_s)
    study = pool.open_queue(plan, patience).study
    if patience(lambda: study.user_attrs).get(BEGUN_WITH) is None:
        patience(lambda: study.set_user_attr(BEGUN_WITH, digest))
    # Read again: another process may have begun at the same moment.
    if patience(lambda: study.user_attrs)[BEGUN_WITH] != digest:
        other = "--out" if pool.storage is None else "--storage, or another name in the file"
        raise UserError(
            f"sweep {plan.sweep.name!r} was begun with other settings, images or ranges in the queue"
            f" {shown_url(pool.url)!r}, expected the same: figures would not compare. Choose another {other}."
        )


def _describe(plan: SweepPlan, example: Cell, folder: Path, pool: WorkerPool) -> str:
    trials = plan.sweep.trials
    time = total_time(seconds_in_all([example], pool.processes) * trials, workers=pool.workers)
    measured = ", ".join(f"{key} {shown_value(value)}" for key, value in example.varied.items())
    lines = [f"{plan.sweep.name}: {plan.sweep.description}"] if plan.sweep.description else []
    lines += [f"{key}  {_in_words(values)}" for key, values in plan.sweep.search.items()]
    lines.append(
        f"{counted(trials, 'run', 'runs')} in {folder}, lowest {_judge(plan, example)} wins; {time}"
        f" That is with {measured} in every run."
    )
    return "\n".join(lines)


def _judge(plan: SweepPlan, example: Cell) -> str:
    """What is to be lowest, as it is recorded; of "auto" no run knows before it begins what that will be."""
    extractor = example.settings["metrics"]["extractor"][0]
    return plan.metric if extractor == "auto" else recorded_name(plan.metric, extractor)


def _in_words(values: Any) -> str:
    """What is searched, e.g. "0.001 to 10, logarithmic"."""
    if isinstance(values, list):
        return ", ".join(map(shown_value, values))
    scale = ", logarithmic" if values.get("log") else ""
    return f"{shown_value(values['low'])} to {shown_value(values['high'])}{scale}"


def _ends(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values["low"], values["high"]]


def _table(plan: SweepPlan, queue: Queue, folder: Path, outcomes: dict[str, Outcome]) -> str:
    found, sources = [], Sources()  # the images are read once, not for each run
    failures = [outcome.reason for outcome in outcomes.values() if outcome.state == "failed"]
    for trial in queue.study.get_trials(deepcopy=False, states=DONE):
        job = trial.user_attrs[JOB]
        if job in outcomes:
            cell = plan.make_cell(job, trial.params, sources)
            found.append((trial.value or 0.0, cell, outcomes[job]))
    if not found:
        raise RunError(
            f"every run has failed ({failures[0]}). Fix the cause, then run the same"
            " command with --retry-failed."
        )
    found.sort(key=lambda entry: entry[0])
    best = found[0][1]
    table = summary_table(
        folder,
        [cell for _, cell, _ in found],
        {cell.digest: how for _, cell, how in found},
        metric=plan.metric,
    )
    flags = " ".join(f"--set {key}={shown_value(value)}" for key, value in best.varied.items())
    note = (
        f"\n{len(failures)} of {len(outcomes)} runs have failed: {failures[0]}" if failures else ""
    )
    return f"{table}{note}\nBest: {folder / best.digest}, {flags}"
