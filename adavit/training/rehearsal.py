"""What the parts of a run take, measured on networks that are thrown away: a rehearsal leaves no trace in the run.

A trainer of its own, in a folder that is deleted, does each part as the run will. All that is random in a run is a
function of its seed and the images seen, so networks made anew afterwards are those of a run that was not rehearsed.
"""

import itertools
import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

import torch

from adavit.augment import AdaptiveProbability
from adavit.evaluation.scoring import score_generator
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import SilentConsole
from adavit.runtime.devices import is_accelerator
from adavit.training.film import draw_film
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.time_plan import Costs
from adavit.training.trainer import Trainer

LIKELY_P = 0.4
"""Augmentation's p while its costs are measured, where it is adapted: about what small sets arrive at."""

LONGEST_CYCLE = 512
"""Steps after which penalties come again as they came, at most; of longer cycles so many are looked at."""

FEW_FAKES, MORE_FAKES = 64, 128
"""Images of two evaluations, whose difference tells what each image takes."""


def rehearse(workload: Workload, step: AdversarialStep, *, seconds: float, build_s: float) -> Costs:
    """Measures the parts of a run; all its processes do it together, and have the figures of the first.

    Args:
        workload: Of the run.
        step: Of the workload; it is changed, and of no use afterwards.
        seconds: To spend on steps, if one of each kind takes no longer.
        build_s: What making the step took.
    """
    # Event files may still be open in it.
    with tempfile.TemporaryDirectory(prefix="adavit-", ignore_cleanup_errors=True) as folder:
        directory = RunDirectory(Path(folder))
        trainer = Trainer(workload, step, directory, SilentConsole())
        return _Rehearsal(trainer).costs(seconds, build_s)


class _Rehearsal:
    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._world, self._device = trainer.world, trainer.workload.device

    def costs(self, seconds: float, build_s: float) -> Costs:
        trainer = self._trainer
        step_s = self._step(seconds)
        trainer.report()
        trainer.sample(1.0)  # the first one imports and warms up
        trainer.progress.images += 1000 * trainer.config.training.batch
        sheet_s = self._timed(lambda: trainer.sample(1.0))
        trainer.report()
        trainer.save(ended=True)
        save_s = self._timed(lambda: trainer.save(ended=True))
        frame_s = self._timed(self._film) / 2
        evaluation_s, fake_s = self._evaluation() if trainer.workload.evaluators else (0.0, 0.0)
        return Costs(step_s, evaluation_s, fake_s, sheet_s, save_s, frame_s, build_s)

    def _film(self) -> None:
        if not self._world.rank:
            draw_film(self._trainer.directory)

    def _timed(self, work: Callable[[], object]) -> float:
        """Seconds that it takes, as the first process measures it."""
        started = time.perf_counter()
        work()
        if is_accelerator(self._device):
            torch.get_device_module(self._device).synchronize(self._device)
        return float(self._world.tell(time.perf_counter() - started))

    def _step(self, seconds: float) -> float:
        """Mean time of a step over a cycle of penalties, from some of each kind."""
        trainer = self._trainer
        if isinstance(trainer.probability, AdaptiveProbability):
            trainer.step.set_p(min(LIKELY_P, trainer.config.augment.p_max))
        else:
            trainer.step.set_p(trainer.probability.p)
        kinds = [self._kind(index) for index in range(self._cycle())]
        first = {kind: index for index, kind in reversed(list(enumerate(kinds)))}
        taken: dict[Hashable, list[float]] = defaultdict(list)
        for index in first.values():
            self._at(index)
        spent = 0.0
        for number, index in enumerate(self._order(list(first.values()), len(kinds))):
            if number >= len(first) and spent >= seconds:
                break
            taken[kinds[index]].append(self._at(index))
            spent += taken[kinds[index]][-1]
        return statistics.mean(statistics.mean(taken[kind]) for kind in kinds)

    @staticmethod
    def _order(first: list[int], cycle: int) -> Iterator[int]:
        """One of each kind, and then all, again and again."""
        return itertools.chain(first, itertools.cycle(range(cycle)))

    def _cycle(self) -> int:
        intervals = [regularizer.interval for regularizer in self._trainer.step.regularizers]
        cycle = self._trainer.probability.interval_batches
        for interval in intervals:
            cycle = min(LONGEST_CYCLE, math.lcm(cycle, interval))
        return cycle

    def _kind(self, index: int) -> Hashable:
        """What takes part in a step: penalties, and the look at held-out images."""
        interval = self._trainer.probability.interval_batches
        due = tuple(regularizer.name for regularizer in self._trainer.step.due(index))
        return due, index % interval == interval - 1

    def _at(self, index: int) -> float:
        trainer = self._trainer
        trainer.progress.images = index * trainer.config.training.batch
        return self._timed(trainer.train_on_one_batch)

    def _evaluation(self) -> tuple[float, float]:
        """Seconds of an evaluation, and of each generated image in it."""
        fakes = self._trainer.config.metrics.fakes
        few, more = min(FEW_FAKES, fakes), min(MORE_FAKES, fakes)
        self._score(min(few, 16))  # looks at the real images too
        few_s = self._timed(lambda: self._score(few))
        if more == few:
            return few_s, few_s / few
        fake_s = max(0.0, self._timed(lambda: self._score(more)) - few_s) / (more - few)
        return few_s + (fakes - few) * fake_s, fake_s

    def _score(self, fakes: int) -> None:
        trainer = self._trainer
        workload = trainer.workload
        score_generator(
            workload.evaluators,
            trainer.step.average.module,
            fakes=fakes,
            seed=trainer.config.run.seed,
            label_counts=workload.label_counts,
            world=self._world,
        )
