"""A worker: takes one cell after the other from the queue, until all of them have ended."""

import gc
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import torch

from adavit.errors import RunError
from adavit.experiments.cell import Cell
from adavit.experiments.cell_console import CellConsole
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.cell_training import CellTraining
from adavit.experiments.failure import DISK_FULL, is_foreseen, reason_of
from adavit.experiments.liveness import ClaimLost, Heartbeat
from adavit.experiments.patience import HURRIED_S, UNREACHABLE, Patience, QueueUnreachable
from adavit.experiments.queue import Claim, Queue
from adavit.runs.directory import RunTaken
from adavit.runtime.console import Console
from adavit.runtime.device_failure import DeviceFailed, is_device_failure
from adavit.runtime.signals import Stopped, StopRequest

DEATHS_ALLOWED = 5
"""A cell that so many workers have died of in a row (out of memory, say), without a new checkpoint, is given up."""

NO_CHECKPOINT = -1
"""Images at the checkpoint where there is none: fewer than at the first one."""


class Pruned(Exception):
    """Raised inside a run to end it early, since it would not become the best."""


class Plan(Protocol):
    """An experiment as its workers see it: the jobs, the cell of each, when to end one, its figure.

    Plain values: it is handed to other processes.
    """

    @property
    def name(self) -> str:
        """Of the experiment, and of its queue."""

    @property
    def jobs(self) -> Sequence[str]:
        """Names of its jobs in the queue, in the order in which they are begun."""

    def cell(self, queue: Queue, claim: Claim) -> Cell:
        """The cell that a job stands for."""

    def watch(self, queue: Queue, claim: Claim, directory: CellDirectory) -> Callable[[], None]:
        """What is to be called at each report of the run; may raise `Pruned`."""

    def figure(self, queue: Queue, directory: CellDirectory) -> float | None:
        """The figure of a run that is over, for the queue; may be asked for twice."""


class Worker:
    """Works through the jobs of an experiment.

    Args:
        plan: The experiment.
        queue: Its queue.
        folder: Where the cells' directories lie.
        console: Told what is done.
        patience: With the queue's database.
        training: How a cell is trained.
    """

    def __init__(
        self,
        plan: Plan,
        queue: Queue,
        folder: Path,
        console: Console,
        patience: Patience,
        training: CellTraining,
    ) -> None:
        self.plan = plan
        self.queue = queue
        self.folder = folder
        self.console = console
        self.training = training
        self._stop = StopRequest()
        self._patiently = replace(patience, asked_to_stop=self._stop)
        self._told: set[str] = set()
        self._taken: set[str] = set()  # jobs whose directories another process was found in
        self._idle = min(5.0, queue.heartbeat_s)

    def run(self) -> None:
        """Takes jobs until all have ended, here or elsewhere.

        Raises:
            Stopped: After a signal; the job is back in the queue, with a checkpoint written.
            RunError: If the device no longer works, the disk is full, or the queue cannot be reached.
        """
        with self._stop:
            try:
                self._work_until_all_have_ended()
            except QueueUnreachable:
                self._honour_signal()
                raise

    def _work_until_all_have_ended(self) -> None:
        parent, jobs = multiprocessing.parent_process(), self.plan.jobs
        while len(self._patiently(lambda: self.queue.outcomes(jobs))) < len(jobs):
            claim = self._claim([job for job in jobs if job not in self._taken])
            if claim is not None:
                self._work(claim)
                gc.collect()  # networks and optimisers hold each other
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
            elif self._taken:
                self._taken.clear()  # nothing else is open: they are tried again, after a while
                self._wait_for(f"the process that still trains in {self.folder}")
            else:
                running = self._patiently(lambda: self.queue.running(jobs))
                self._wait_for(
                    f"workers that run the last cells: {', '.join(sorted(map(str, running.values())))}"
                )
            self._honour_signal()
            if parent is not None and not parent.is_alive():
                raise Stopped(signal.SIGTERM)  # no one is left to tell; see Heartbeat

    def _honour_signal(self) -> None:
        if self._stop.signal_number is not None:
            raise Stopped(self._stop.signal_number)

    def _wait_for(self, whom: str) -> None:
        text = f"Waiting for {whom}."
        if text not in self._told:
            self._told.add(text)
            self.console.note(text)
        time.sleep(self._idle)

    def _work(self, claim: Claim) -> None:
        """Runs one cell, and notes how it ended in its directory and in the queue."""
        queue, directory = self.queue, None
        with ExitStack() as stack:
            heartbeat = stack.enter_context(
                Heartbeat(
                    lambda: queue.beat(claim), interval_s=queue.heartbeat_s, grace_s=queue.grace_s
                )
            )

            def on_step() -> None:
                heartbeat.check()
                self._honour_signal()

            try:
                cell = self._patiently(lambda: self.plan.cell(queue, claim))
                directory = CellDirectory(self.folder, cell)
                directory.make()
                log = stack.enter_context(directory.log.open("a", encoding="utf-8"))
                watch = self._patiently(lambda: self.plan.watch(queue, claim, directory))
                console = CellConsole(
                    self.console,
                    cell.title,
                    log,
                    told=self._told,
                    on_step=on_step,
                    on_report=partial(_if_reachable, watch),
                )
                self._train(claim, directory, console)
                figure = self._figure(directory)
                directory.write_note("finished", attempts=claim.attempts)
            except Pruned as pruned:
                assert directory is not None
                self.console.note(f"[{directory.cell.title}] Pruned: {pruned}.")
                directory.write_note("pruned", attempts=claim.attempts, reason=str(pruned))
                figure = self._figure(directory)
                self._patiently(lambda: queue.prune(claim, figure))
            except ClaimLost:
                self.console.note(
                    f"Job {claim.job} was given to another worker while this one was silent; it"
                    " goes on with the next."
                )
            except RunTaken:
                # By a worker that was silent for long, but lives: it will notice, or finish. Others come first:
                # claimed again at once, this cell would keep them waiting for as long.
                self._release(claim)
                self._taken.add(claim.job)
            except QueueUnreachable:
                raise  # the job is found without its worker then
            except (Stopped, KeyboardInterrupt):
                self._release(claim)
                raise
            except Exception as error:  # noqa: BLE001  whatever it was, the grid goes on
                self._failed(claim, directory, error)
            else:
                self._patiently(lambda: queue.finish(claim, figure))

    def _figure(self, directory: CellDirectory) -> float | None:
        return self._patiently(lambda: self.plan.figure(self.queue, directory))

    def _claim(self, jobs: Sequence[str]) -> Claim | None:
        return self._patiently(lambda: self.queue.claim(jobs))

    def _release(self, claim: Claim) -> None:
        self._patiently(lambda: self.queue.release(claim))

    def _train(self, claim: Claim, directory: CellDirectory, console: CellConsole) -> None:
        damage = directory.put_damaged_checkpoints_aside()
        if damage is not None:
            console.note(f"Warning: the cell begins again, since its {damage}")
        images = directory.checkpoint_images()
        begun_at = NO_CHECKPOINT if images is None else images
        deaths = claim.deaths_without_progress(begun_at)
        if deaths >= DEATHS_ALLOWED:
            raise RunError(
                f"{deaths} workers in a row died in this cell without a new checkpoint, the last"
                f" one {claim.last_worker}. Look for what killed them (memory?), then run again"
                " with --retry-failed."
            )
        self._patiently(lambda: self.queue.begin(claim, begun_at))
        if directory.is_finished():
            console.note(f"Finished already, in {directory.path}.")
            return
        if images is None and directory.put_results_aside():
            console.note(
                f"Warning: it has no checkpoint to go on from: what it had is in {directory.run.earlier}, and it begins"
                " again."
            )
        note = None
        if claim.last_worker is not None:
            how = (
                "begun again, since there is no checkpoint here"
                if images is None
                else f"continued from its checkpoint at {images} images"
            )
            note = f"taken over from a dead worker ({claim.last_worker}), {how}"
            console.note(note[0].upper() + note[1:] + ".")
        directory.write_note("running", attempts=claim.attempts, worker_note=note)
        self.training(directory, console)

    def _failed(self, claim: Claim, directory: CellDirectory | None, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            # No fault of the cell's, and the next one would not fare better.
            with suppress(QueueUnreachable):
                replace(self._patiently, seconds=HURRIED_S)(lambda: self.queue.release(claim))
            raise RunError(
                f"the disk is full (while writing {error.filename or self.folder}), expected room"
                " for the runs' files. Make room, then run the same command again; each cell goes"
                " on from its last checkpoint."
            )
        reason = reason_of(error)
        title = claim.job if directory is None else directory.cell.title
        self.console.note(f"[{title}] Failed: {reason}")
        try:
            if directory is not None:
                if not is_foreseen(error):
                    with directory.log.open("a", encoding="utf-8") as log:
                        log.writelines(traceback.format_exception(error))
                    self.console.note(f"[{title}] The traceback is in {directory.log}.")
                directory.write_note("failed", attempts=claim.attempts, reason=reason)
        finally:
            self._patiently(lambda: self.queue.fail(claim, reason))
        if isinstance(error, DeviceFailed) or is_device_failure(error):
            raise RunError(
                f"{reason} Nothing more can be done in this process ({os.getpid()}); run the same command again with"
                " --retry-failed."
            )


def _if_reachable(watch: Callable[[], None]) -> None:
    """A database that cannot be reached does not stop the work: it is told at the next report."""
    with suppress(*UNREACHABLE):
        watch()
