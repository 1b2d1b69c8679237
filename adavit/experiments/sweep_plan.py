"""The runs of a sweep as jobs: what the sampler draws for each, when the pruner ends one, and its figure."""

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning

from adavit.config.layers import Values
from adavit.errors import RunError
from adavit.experiments.ablation import best_figure
from adavit.experiments.cell import Cell, Sources, decided_by_unseen, make_cell
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.queue import Claim, Queue
from adavit.experiments.sweep_file import Sweep
from adavit.experiments.tables import shown_setting
from adavit.experiments.worker import Pruned
from adavit.runs.records import read_records, recorded_metric
from adavit.runtime.randomness import seed_for

shown_value = functools.partial(shown_setting, digits=4)

UNGUIDED_TRIALS = 8
"""Runs with settings drawn at random, before the sampler learns from them; a third of a short sweep."""
UNPRUNED_TRIALS = 3
"""Runs to compare with before any is pruned."""
RECORDED_AS = "recorded_as"
"""In the queue: the name under which the first run that was measured has recorded its figures."""


@dataclass(frozen=True)
class SweepPlan:
    """The runs of a sweep as jobs; a run's settings are chosen when it is begun.

    Attributes:
        sweep: As read, with what was given on the command line.
        seed: Start of the sampler's random stream.
        metric: As in `metrics.names`.
        marked: Whether the discriminators of some runs see through pretrained networks.
    """

    sweep: Sweep
    seed: int
    metric: str
    marked: bool = False

    @property
    def name(self) -> str:
        """Of the sweep, apart from a grid of that name; another metric makes another search."""
        return f"sweep/{self.sweep.name}/{self.metric}"

    @property
    def jobs(self) -> Sequence[str]:
        """One per run."""
        return [f"trial {number}" for number in range(self.sweep.trials)]

    def cell(self, queue: Queue, claim: Claim) -> Cell:
        """Settings for the job: those chosen before, if it is taken over, else new ones."""
        number = self.jobs.index(claim.job)
        chosen = {
            key: _suggest(
                optuna.Trial(self._study(queue, number, key), claim.trial_id), key, distribution
            )
            for key, distribution in self.sweep.distributions().items()
        }
        return self.make_cell(claim.job, chosen)

    def _study(self, queue: Queue, number: int, key: str) -> optuna.Study:
        """The search as it stands now, with the random stream of one draw.

        Each setting of each run has a stream of its own: an interrupted sweep draws what an uninterrupted one
        would have drawn, even if it was interrupted between two settings of a run.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=seed_for(self.seed, f"sweep {key}", number) % 2**32,
                n_startup_trials=min(UNGUIDED_TRIALS, max(1, self.sweep.trials // 3)),
                constant_liar=True,  # workers do not all draw beside what another one is trying
            )
        # A study of its own: one that is used again remembers the trials as they were before.
        return optuna.load_study(study_name=self.name, storage=queue.storage, sampler=sampler)

    def make_cell(self, job: str, chosen: Values, sources: Sources | None = None) -> Cell:
        """The run with the settings that the sampler has chosen."""
        label = ", ".join(
            f"{key.partition('.')[2]} {shown_value(value)}" for key, value in chosen.items()
        )
        settings = self.sweep.settings(chosen)
        if self.marked:
            settings = decided_by_unseen(settings)
        return make_cell(
            self.sweep.name,
            settings,
            axes=chosen,
            varied=chosen,
            label=label,
            job=job,
            sources=sources,
        )

    def watch(self, queue: Queue, claim: Claim, directory: CellDirectory) -> Callable[[], None]:
        """Tells the pruner of each evaluation; a run above the median of the others is ended.

        Not of the untrained network, from which the figure may rise at first: the pruner takes the lowest of a run so
        far, and would end none.
        """
        pruner = optuna.pruners.MedianPruner(
            n_startup_trials=UNPRUNED_TRIALS,
            n_warmup_steps=1,  # what all start from is alike
        )
        study = optuna.load_study(study_name=self.name, storage=queue.storage, pruner=pruner)
        trial = optuna.Trial(study, claim.trial_id)
        told = set(queue.storage.get_trial(claim.trial_id).intermediate_values)

        def tell() -> None:
            recorded = recorded_metric(read_records(directory.run.metrics), self.metric)
            for images, figure in directory.figures(recorded):
                if images not in told:
                    self._check_compares(queue, recorded)
                    trial.report(figure, step=images)
                    told.add(images)
                    if trial.should_prune():
                        raise Pruned(
                            f"{recorded} {figure:.4g} at {images / 1000:g} kimg is above the median"
                            " of the runs before"
                        )

        return tell

    def figure(self, queue: Queue, directory: CellDirectory) -> float | None:
        """The best figure of the metric.

        Raises:
            RunError: If it was never measured, or never finite, or by another network than those of the runs before.
        """
        figure = best_figure(directory, self.metric)
        if figure is None:
            raise RunError(f"{self.metric} was never finite, so the run cannot be compared.")
        self._check_compares(
            queue, recorded_metric(read_records(directory.run.metrics), self.metric)
        )
        return figure

    def _check_compares(self, queue: Queue, recorded: str | None) -> None:
        """Refuses a run with another extractor: of "auto" each finds its own, by which weights are there just then."""
        study = optuna.load_study(study_name=self.name, storage=queue.storage)
        if RECORDED_AS not in study.user_attrs:
            study.set_user_attr(RECORDED_AS, recorded)
        # Read again: another run may have been measured at the same moment.
        first = study.user_attrs[RECORDED_AS]
        if recorded != first:
            raise RunError(
                f"it recorded {recorded}, expected {first} as the run that was measured first: the two do not compare."
                " Name the extractor, such as --set metrics.extractor=random, and begin the sweep again in another"
                " folder, or in another database if --storage names one."
            )


def _suggest(trial: optuna.Trial, key: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(key, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(key, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(key, distribution.choices)
