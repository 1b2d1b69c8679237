"""What the parts of a run take, measured on networks that are thrown away: a rehearsal leaves no trace in the run.

A trainer of its own, in a folder that is deleted, does each part as the run will. All that is random in a run is a
function of its seed and the images seen, so networks made anew afterwards are those of a run that was not rehearsed.
"""

import contextlib
import itertools
import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

import torch

from adavit.augment.devices import is_accelerator
from adavit.evaluation.scoring import score_generator
from adavit.metrics import Interrupted
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import SilentConsole
from adavit.runtime.signals import stopped_at_once
from adavit.training.film import draw_film
from adavit.training.slice_memory import NoSmallerSlices
from adavit.training.start.costliest_step import make_costliest
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.out_of_memory import StepOutOfMemory
from adavit.training.time_plan import EXIT_S, Costs
from adavit.training.trainer import Trainer

LONGEST_CYCLE = 512
"""Steps after which terms come again as they came, at most; of longer cycles so many are looked at."""

MOST_CROWDED = 5.0
"""Factor by which an end is foreseen to be slower on busy cores, at most."""

FEW_FAKES, MORE_FAKES = 64, 128
"""Images of two evaluations, whose difference tells what each image takes."""


class TookTooLong(Exception):
    """A rehearsal was broken off."""


def rehearse(
    workload: Workload, step: AdversarialStep, *, seconds: float, limit_s: float, build_s: float
) -> Costs:
    """Measures the parts of a run; all its processes do it together, and have the figures of the first.

    Args:
        workload: Of the run.
        step: Of the workload; it is changed, and of no use afterwards.
        seconds: To spend on steps, if one of each kind takes no longer.
        limit_s: Seconds after which it is given up.
        build_s: What making the step took.

    Raises:
        TookTooLong: Then, on all processes alike.
        Stopped: After a signal.
        StepOutOfMemory: If memory runs out.
        RunError: If training diverges.
    """
    with _trainer(workload, step) as trainer:
        return _Rehearsal(trainer, limit_s).costs(seconds, build_s)


def rehearse_step(
    workload: Workload, step: AdversarialStep, *, seconds: float, limit_s: float
) -> float:
    """Measures the steps of a run alone, see `rehearse`; the mean of their seconds."""
    with _trainer(workload, step) as trainer:
        return _Rehearsal(trainer, limit_s).step_s(seconds)


@contextlib.contextmanager
def _trainer(workload: Workload, step: AdversarialStep) -> Iterator[Trainer]:
    """Of a run in a folder that is deleted."""
    with (
        stopped_at_once(),
        # Event files may still be open in it.
        tempfile.TemporaryDirectory(prefix="adavit-", ignore_cleanup_errors=True) as folder,
    ):
        try:
            trainer = Trainer(workload, step, RunDirectory(Path(folder)), SilentConsole())
            trainer.take_step.keep = lambda: None  # gigabytes, of a run that has not begun
            yield trainer
        except NoSmallerSlices as error:  # which tells how to go on in the folder
            raise StepOutOfMemory(lasting=error.lasting) from None


class _Rehearsal:
    def __init__(self, trainer: Trainer, limit_s: float) -> None:
        self._trainer = trainer
        self._ends = time.perf_counter() + limit_s
        self._world, self._device = trainer.world, trainer.workload.device

    def costs(self, seconds: float, build_s: float) -> Costs:
        trainer = self._trainer
        started, worked = time.perf_counter(), time.process_time()
        step_s = self.step_s(seconds)
        trainer.report()
        self._timed(lambda: trainer.sample(1.0))  # the first one imports and warms up
        trainer.progress.images += 1000 * trainer.config.training.batch
        sheet_s = self._timed(lambda: trainer.sample(1.0))
        trainer.report()
        self._timed(lambda: trainer.save(ended=True))
        # So soon after the first one it leaves the curves to the end.
        save_s = self._timed(lambda: trainer.save(ended=True))
        curves_s = self._timed(lambda: trainer.output.end(is_over=False))
        keeps = trainer.config.run.keep_every_kimg is not None
        kept_s = self._timed(trainer.snapshots.keep_generator) if keeps else 0.0
        frame_s = self._timed(self._film) / 2
        evaluation_s, fake_s = self._evaluation() if trainer.workload.evaluators else (0.0, 0.0)
        # On cores that others use too the process takes longer to end, like all that it does.
        share = (time.perf_counter() - started) / max(1e-9, time.process_time() - worked)
        exit_s = EXIT_S * float(self._world.tell(min(MOST_CROWDED, max(1.0, share))))
        return Costs(
            step_s=step_s,
            evaluation_s=evaluation_s,
            fake_s=fake_s,
            sheet_s=sheet_s,
            save_s=save_s,
            curves_s=curves_s,
            frame_s=frame_s,
            build_s=build_s,
            exit_s=exit_s,
            kept_s=kept_s,
        )

    def _film(self) -> None:
        if not self._world.rank:
            draw_film(self._trainer.directory)

    def _timed(self, work: Callable[[], object]) -> float:
        """Seconds that it takes, as the first process measures it."""
        started = time.perf_counter()
        work()
        if is_accelerator(self._device):
            torch.get_device_module(self._device).synchronize(self._device)
        now = time.perf_counter()
        seconds, is_late = self._world.tell([now - started, now > self._ends])
        if is_late:
            raise TookTooLong
        return float(seconds)

    def step_s(self, seconds: float) -> float:
        """Mean time of a step over a cycle of its terms, from some of each kind."""
        kinds = [self._kind(index) for index in range(self._cycle())]
        first = sorted({kind: index for index, kind in reversed(list(enumerate(kinds)))}.values())
        taken: dict[Hashable, list[float]] = defaultdict(list)
        for index in first:
            self._at(index)
        spent = 0.0
        for number, index in enumerate(self._order(first, len(kinds))):
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
        cycle = self._trainer.probability.interval_batches
        for interval in self._trainer.step.intervals:
            cycle = min(LONGEST_CYCLE, math.lcm(cycle, interval))
        return cycle

    def _kind(self, index: int) -> Hashable:
        """What takes part in a step: penalties, a critic, and the look at held-out images."""
        interval = self._trainer.probability.interval_batches
        due = tuple(index % each == 0 for each in self._trainer.step.intervals)
        return due, index % interval == interval - 1

    def _at(self, index: int) -> float:
        trainer = self._trainer
        make_costliest(trainer.step, trainer.config.augment)  # at each, as what was seen moves them
        trainer.progress.images = index * trainer.config.training.batch
        return self._timed(trainer.train_on_one_batch)

    def _evaluation(self) -> tuple[float, float]:
        """Seconds of an evaluation, and of each generated image in it."""
        fakes = self._trainer.config.metrics.fakes
        few, more = min(FEW_FAKES, fakes), min(MORE_FAKES, fakes)
        self._timed(lambda: self._score(min(few, 16)))  # looks at the real images too
        few_s = self._timed(lambda: self._score(few))
        if more == few:
            return few_s, few_s / few
        fake_s = max(0.0, self._timed(lambda: self._score(more)) - few_s) / (more - few)
        return few_s + (fakes - few) * fake_s, fake_s

    def _score(self, fakes: int) -> None:
        trainer = self._trainer
        workload = trainer.workload
        with contextlib.suppress(Interrupted):  # for being late, which is found out afterwards
            score_generator(
                workload.evaluators,
                trainer.step.average.module,
                fakes=fakes,
                seed=trainer.config.run.seed,
                label_counts=workload.label_counts,
                should_stop=lambda: time.perf_counter() > self._ends,
                world=self._world,
            )
