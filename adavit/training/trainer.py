"""The training loop: report, sample, evaluate, checkpoint, done?, one step. No mathematics in it."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from adavit.build.augmentation import build_probability
from adavit.errors import RunError
from adavit.evaluation.scoring import score_generator
from adavit.generation.sampling import ImagesNotFinite
from adavit.metrics import Interrupted
from adavit.runs.checkpoint import Stateful
from adavit.runs.directory import RunDirectory
from adavit.runs.generations import LoadedCheckpoint
from adavit.runtime.console import Console, Status
from adavit.runtime.core_share import CoreShare
from adavit.runtime.flags import LateFlags
from adavit.runtime.randomness import generator_for
from adavit.runtime.signals import StopRequest
from adavit.training import endings
from adavit.training.batches import RunBatches
from adavit.training.clock import Clock
from adavit.training.progress import NEVER, Progress
from adavit.training.remarks import Remarks
from adavit.training.run_output import output_of
from adavit.training.score_line import score_line, score_record
from adavit.training.slice_memory import StepsWithinMemory
from adavit.training.soundness import ailment
from adavit.training.start.workload import Workload, total_images
from adavit.training.status import status_of
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.window import StatsWindow

SKIPPED_STEPS_ALLOWED = 50
"""So many steps in a row without finite numbers, and the run has diverged.

Whether a step was skipped is known on the device; the host asks after as many steps, and before whatever tells of it.
"""


class Trainer:
    """Trains one run to its end, from its start or from its checkpoint.

    All that a checkpoint must hold is in `stateful_parts`; all that is random is a function of the seed, the purpose
    and the images seen. So N images, a resume and N more give what 2N of the same settings do, and no cadence of
    reports, samples, evaluations or checkpoints changes the weights: to the bit on a CPU, to the order of sums on CUDA.

    Args:
        workload: Data, settings and metrics.
        step: Networks, optimisers and augmentation, as `build_step` makes them.
        directory: Where the run leaves its files.
        console: Told how it goes.
        clock: May end the run sooner, or leave an evaluation out, and never changes a step; None lets it take its time.
    """

    def __init__(
        self,
        workload: Workload,
        step: AdversarialStep,
        directory: RunDirectory,
        console: Console,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.workload, self.config = workload, workload.config
        self.directory, self.console = directory, console
        self.total_images = total_images(self.config.training)
        self.step, self.world = step, step.reduction.world
        self.take_step = StepsWithinMemory(
            workload, step, directory, console, self._adopt, self._keep
        )
        has_threshold = self.config.training.has_threshold
        relative = not has_threshold or self.config.augment.follows == "relative"
        self.probability = build_probability(self.config.augment, threshold_at_zero=has_threshold)
        self.window = StatsWindow(step.reports, relative=relative, device=workload.device)
        self.batches = RunBatches(workload)
        self.cores = CoreShare(workload.device)
        seen, count, p = self.batches.watched, len(workload.split.train), self.probability
        self.remarks = Remarks(step.discriminator, seen, count, p, self.cores)
        self.progress, self.made = Progress(), LateFlags()
        self.output = output_of(self.world, workload, directory, step.average.module, self.progress)
        self.snapshots = self.output.snapshots
        self.last_report: dict[str, Any] = {}
        self.out_of_time = self.gave_up = False

    def run(self) -> None:
        """Trains until the end, a lack of improvement, or a signal.

        Raises:
            Stopped: After a signal, with a checkpoint written, unless steps are being skipped.
            RunError: If training diverges; it names the checkpoint that is good.
        """
        run, metrics = self.config.run, self.config.metrics
        with StopRequest() as stop:
            while True:
                if self._is_due("stats", run.status_every_kimg):
                    self.report()
                if self._is_due("samples", run.samples_every_kimg):
                    self.sample(run.samples_every_kimg)
                if self._is_due("metrics", metrics.every_kimg):
                    self.evaluate(stop)
                if self.snapshots.is_one_to_keep:
                    self._check_weights()
                    self.snapshots.keep_generator()
                ending = endings.why_over(
                    self.progress,
                    self.total_images,
                    metrics.patience_kimg,
                    self.clock.ending() if self.out_of_time else None,
                )
                if ending and not self._has_ended:  # for lack of improvement
                    self.gave_up = True
                    continue  # the duties of the end come first
                signal_number = self._agree(stop)
                if self.out_of_time and not (ending or signal_number):
                    continue  # likewise
                due = self._is_due("checkpoint", run.checkpoint_every_kimg)
                if due or ((ending or signal_number) and self.snapshots.are_behind):
                    self.save(ended=ending is not None)
                if ending or signal_number:
                    self.output.end(is_over=not signal_number)
                if signal_number:
                    at, behind = (self.progress, self.directory), self.snapshots.are_behind
                    raise endings.stopped(signal_number, *at, is_behind=behind)
                if ending:
                    used = self.clock.stopped()
                    self.console.result(endings.last_words(ending, used, self.directory))
                    return
                self.train_on_one_batch()

    def resume(self, loaded: LoadedCheckpoint) -> None:
        """Continues from a checkpoint, with logs and generators brought back to it.

        Raises:
            UserError: If the checkpoint is of other networks or other data.
        """
        self._note(self.snapshots.restore(loaded, self.stateful_parts()))
        self.output.forget_after(self.progress.images)
        self.clock.went_on(self.progress)

    def begin_again(self) -> None:
        """Forgets what a run that was killed before its first checkpoint has logged."""
        self._note(self.snapshots.forget_after())
        self.output.forget_after(NEVER)

    def _note(self, notes: Sequence[str]) -> None:
        for note in notes:
            self.console.note(note)

    def stateful_parts(self) -> dict[str, Stateful]:
        """All that decides the rest of the run, by its name in the checkpoint."""
        return {
            **self.step.stateful_parts(),
            "probability": self.probability,
            "window": self.window,
            "progress": self.progress,
            **self.snapshots.stateful_parts(),
        }

    def _agree(self, stop: StopRequest) -> int:
        """What all processes do next alike: they stop where one was asked to, and take p as rank 0 has it.

        Returns:
            Number of the signal that one of them was sent; 0 where none was.
        """
        is_out = self.clock.is_out(self.total_images - self.progress.images)
        mine = [stop.signal_number or 0, self.probability.p, is_out]
        known = torch.tensor(mine, dtype=torch.float64)
        everyone = torch.stack(self.world.gather(known)).tolist()
        self.step.set_p(everyone[0][1])
        self.out_of_time = bool(everyone[0][2])
        return int(max(number for number, _, _ in everyone))

    def train_on_one_batch(self) -> None:
        """The next step."""
        started, worked = time.perf_counter(), time.thread_time()
        batch, images = self.config.training.batch, self.progress.images
        real, labels = self.batches.training(images, self.step.slices(batch).images)
        result = self.take_step(real, labels, images)
        heldout = self._heldout_logits()
        # Once in each interval these wait for the device: p, which the next step needs, follows what it computed.
        self.probability.update(**result.verdicts, heldout=heldout, images=batch)
        if self.step.pseudo is not None:
            self.step.pseudo.update(result, batch)
        seconds = time.perf_counter() - started
        self.progress.stepped(images=batch, seconds=seconds)
        self.clock.stepped(seconds)
        self.cores.stepped(seconds, time.thread_time() - worked)
        self.window.observe(result, heldout=heldout, images=batch, seconds=seconds)
        self.made.append(result.finite)
        if len(self.made) == SKIPPED_STEPS_ALLOWED:
            self._count_skipped()
        self.console.status(self._status)

    def _adopt(self, workload: Workload) -> None:
        self.workload, self.config = workload, workload.config
        self.snapshots.now_of(workload)
        self.batches.adopt(workload)

    def _keep(self) -> None:
        if self.snapshots.are_behind:
            self.save(ended=False)

    @torch.no_grad()
    def _heldout_logits(self) -> Tensor | None:
        """D(T(x)) at held-out images, once in each interval of p's control: it costs a pass, the same on all ranks."""
        seed, images = self.config.run.seed, self.progress.images
        heldout = self.batches.heldout(images, self.probability.interval_batches)
        if heldout is None:
            return None
        stream = generator_for(seed, "held-out augmentation", images, self.workload.device)
        with self.step.forward_precision(self.workload.device):
            return self.step.logits(*heldout, stream)

    def _count_skipped(self) -> None:
        """Counts the skipped ones of the last steps, which the host waits for here."""
        started = time.perf_counter()
        flags = self.made.read()
        waited = time.perf_counter() - started
        self.progress.seconds += waited
        self.window.waited(waited)
        self.clock.waited(waited, len(flags))
        if self.progress.judged(flags) >= SKIPPED_STEPS_ALLOWED:
            numbers = "losses or gradients that are not finite"
            raise self._diverged(f"{SKIPPED_STEPS_ALLOWED} steps in a row had {numbers}")

    def _check_weights(self) -> None:
        """Nothing is drawn, measured or kept of networks that have diverged."""
        found = ailment(
            {
                "generator": self.step.generator,
                "discriminator": self.step.discriminator,
                "averaged generator": self.step.average.module,
            }
        )
        if found:
            raise self._diverged(found)

    def _diverged(self, what: str) -> RunError:
        sound = self.snapshots.set_aside if self.progress.has_collapsed else None
        return endings.diverged(what, self.progress, sound, self.config)

    def _is_due(self, duty: str, every_kimg: float) -> bool:
        if duty == "metrics" and not self.workload.evaluators:
            return False
        if not self.progress.is_due(duty, every_kimg, ended=self._has_ended):
            return False
        # What takes time is left out where there is none, by all processes alike.
        timed = duty in ("metrics", "samples")
        left = 0 if self._has_ended else self.total_images - self.progress.images
        return not timed or bool(self.world.tell(self.clock.has_room(duty, left)))

    @property
    def _has_ended(self) -> bool:
        """Whether no step is left, and the duties of the end are due."""
        return self.progress.images >= self.total_images or self.out_of_time or self.gave_up

    def report(self) -> None:
        """A line of what the steps since the last one have measured."""
        self._count_skipped()
        record = {
            "images": self.progress.images,
            "p": self.probability.p,
            **({} if self.step.pseudo is None else {"pseudo_p": self.step.pseudo.p}),
            **self.window.record(),
            "skipped_steps": self.progress.skipped,
            "seconds": round(self.progress.seconds, 3),
        }
        self.output.report(record, self.progress.images)
        self.last_report = record
        self.console.report(self._status)
        self.progress.done("stats")
        self._note(self.remarks.at_report(self.window.overfitting))
        self.window.reset()
        self._note(self.clock.reported(self.progress))

    def sample(self, every_kimg: float) -> None:
        """A grid of generated images."""
        started = time.perf_counter()
        self._check_weights()
        try:
            self.output.sample(
                self.step.average.module,
                self.progress.images,
                every_kimg=every_kimg,
                previous=self.progress.done_at["samples"],
            )
        except ImagesNotFinite as error:
            raise self._diverged(error.what) from None
        self.progress.done("samples")
        self.clock.took("samples", time.perf_counter() - started)

    def evaluate(self, stop: StopRequest) -> None:
        """Scores generated images, unless it is asked to stop or time is up."""
        evaluators, fakes = self.workload.evaluators, self.config.metrics.fakes
        self._check_weights()
        started = time.perf_counter()
        try:
            figures = score_generator(
                evaluators,
                self.step.average.module,
                fakes=fakes,
                seed=self.config.run.seed,
                label_counts=self.workload.label_counts,
                progress=lambda done: self.console.activity(
                    "evaluating", min(fakes, done * self.world.size), fakes
                ),
                should_stop=lambda: stop() or self.clock.has_struck(),
                world=self.world,
            )
        except Interrupted:
            return  # not done, so a resumed run evaluates here first
        except ImagesNotFinite as error:
            raise self._diverged(error.what) from None
        seconds = round(time.perf_counter() - started, 3)
        self.clock.took("metrics", seconds)
        record = score_record(figures, self.config.training, self.progress.images, seconds)
        had_collapsed = self.progress.has_collapsed
        if self.progress.measured(evaluators[0].names[0], record):
            self.snapshots.keep_best()
        names = [evaluator.names for evaluator in evaluators]
        self.output.evaluation(record, names, self.progress.images)
        self.progress.done("metrics")
        self.console.note(score_line(record, names))
        if self.progress.has_collapsed and not had_collapsed:
            self.snapshots.keep_sound()
            known = (self.snapshots.set_aside, self.config)
            self.console.note(endings.collapse_warning(self.progress, self.directory, *known))

    def save(self, *, ended: bool) -> None:
        """Writes the checkpoint, so that what it holds is good.

        While steps are being skipped it waits for one that is not, or for the end of the run: the fiftieth
        in a row would have it go on from there for nothing.
        """
        self._count_skipped()
        self._check_weights()
        if self.progress.skipped_in_a_row and not ended:
            return
        self.progress.done("checkpoint")
        self.snapshots.save(self.stateful_parts())
        self.output.saved(self.progress.images)

    @property
    def _status(self) -> Status:
        p = self.probability.p
        return status_of(self.progress, self.total_images, self.last_report, p)
