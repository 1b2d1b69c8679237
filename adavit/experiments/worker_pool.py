"""Running an experiment with one worker in this process, or several in processes of their own."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

import optuna
import torch

from adavit.config.layers import Values
from adavit.errors import RunError, UserError
from adavit.experiments.cell import Cell
from adavit.experiments.cell_training import CellTraining, SharedTraining, train_here
from adavit.experiments.database import open_storage, shown_url, sqlite_url
from adavit.experiments.device_groups import check_devices_exist, device_groups, made_visible
from adavit.experiments.patience import Patience
from adavit.experiments.queue import Outcome, Queue
from adavit.experiments.worker import Plan, Worker
from adavit.runtime.console import Console, console_elsewhere
from adavit.runtime.devices import choose_device
from adavit.runtime.files import make_folder, write_text
from adavit.runtime.launch import check_processes_meet, cores
from adavit.runtime.python_children import starting_python
from adavit.runtime.signals import Stopped, StopRequest
from adavit.runtime.streams import for_terminal, lenient_streams
from adavit.runtime.wording import counted

QUEUE_FILE = "queue.sqlite3"


@dataclass(frozen=True)
class WorkerPool:
    """The worker processes of an experiment, and the queue they share. Plain values, for other processes.

    Attributes:
        folder: Where cells are written.
        storage: URL of the queue's database; None is an SQLite file in the folder.
        workers: Number of worker processes, each of which has one cell trained at a time.
        devices: Where they run, e.g. ("cuda:0", "cuda:1"), in turn; empty leaves it to each run.
        processes: That train a cell together, on a device each.
        heartbeat_s: Seconds between signs of life.
        grace_s: Seconds of silence after which a worker counts as dead. One that died on this machine
            is noticed at once.
        patience_s: Seconds for which a database that could be reached before is waited for.
        opening_s: The same of one whose URL may be wrong.
    """

    folder: Path
    storage: str | None = None
    workers: int = 1
    devices: tuple[str, ...] = ()
    processes: int = 1
    heartbeat_s: float = 10
    grace_s: float = 60
    patience_s: float = 300
    opening_s: float = 30

    def __post_init__(self) -> None:
        device_groups(self.devices, self.processes)  # if they can be made

    @classmethod
    def asked_for(
        cls,
        folder: Path,
        *,
        storage: str | None,
        workers: int | None,
        devices: Sequence[str],
        processes: int | None = None,
    ) -> Self:
        """As the command line asks for it.

        Args:
            folder: Where cells are written.
            storage: URL of the queue's database; None is an SQLite file in the folder.
            workers: Number of cells at a time; None is one per device, or group of devices.
            devices: Where they run; empty leaves it to each run.
            processes: That train a cell together; None is one.
        """
        each = processes or 1
        count = workers or max(1, len(device_groups(devices, each)))
        return cls(folder.absolute(), storage, count, tuple(devices), each)

    def check_devices(self) -> None:
        """Refuses devices that this machine has not.

        Raises:
            UserError: If one is not there.
        """
        check_devices_exist(self.devices)

    def check_shares(self, cells: Iterable[Cell]) -> None:
        """Refuses cells whose processes could not meet or share their batches, or would have to share a GPU.

        Their number is no setting of a cell, so it does not make slices: those that there are must do.

        Args:
            cells: Those to be trained.

        Raises:
            UserError: If there is one.
        """
        if self.processes == 1:
            return
        check_processes_meet(self.processes)
        for cell in cells:
            training = cell.settings["training"]
            batch, microbatch = training["batch"], training["microbatch"]
            count = batch // (microbatch or batch)
            each, rest = divmod(batch, self.processes)
            if count % self.processes:
                remedy = "a training.batch that it divides"
                if not rest:
                    remedy = f"--set training.microbatch={each}, which makes cells of {self.processes} slices"
                raise UserError(
                    f"--processes is {self.processes}, but cell {cell.title!r} has"
                    f" {counted(count, 'slice', 'slices')} (training.batch {batch}, training.microbatch"
                    f" {'auto' if microbatch is None else microbatch}), expected equally many for each. Use {remedy}."
                )
            device = choose_device(cell.settings["run"]["device"])
            if device.type == "cuda" and torch.cuda.device_count() < self.processes:
                there = counted(torch.cuda.device_count(), "CUDA device", "CUDA devices")
                raise UserError(
                    f"--processes is {self.processes}, but torch finds {there} here, expected one for each process"
                    f" of a cell. Give fewer, or --devices cpu."
                )

    @property
    def settings(self) -> list[Values]:
        """What the devices lay over the settings of all cells: their kind, if any is named."""
        return [{"run": {"device": self.devices[0].partition(":")[0]}}] if self.devices else []

    @property
    def training(self) -> CellTraining:
        """How a worker has its cells trained."""
        if self.processes == 1:
            return train_here
        return SharedTraining(self.processes, self.workers)

    @property
    def url(self) -> str:
        """Of the queue's database."""
        return self.storage or sqlite_url(self.folder / QUEUE_FILE)

    def patience(self, console: Console, seconds: float | None = None) -> Patience:
        """Patience with the queue's database.

        Args:
            console: Told of an outage.
            seconds: How much; None is `patience_s`.

        Raises:
            UserError: If the URL is none.
        """
        seconds = self.patience_s if seconds is None else seconds
        return Patience(seconds, shown_url(self.url), tell=console.note)

    def open_queue(self, plan: Plan, patience: Patience) -> Queue:
        """Connects to the queue of an experiment, and makes it if it is not there.

        Raises:
            UserError: If it cannot be opened.
        """
        make_folder(self.folder)
        storage = open_storage(self.url, patience)
        study = patience(
            lambda: optuna.create_study(
                storage=storage, study_name=plan.name, load_if_exists=True, direction="minimize"
            )
        )
        return Queue(storage, study, heartbeat_s=self.heartbeat_s, grace_s=self.grace_s)

    def carry_out(
        self,
        plan: Plan,
        *,
        file: str,
        text: str,
        opening: str,
        noun: str,
        retry_failed: bool,
        console: Console,
    ) -> tuple[Queue, dict[str, Outcome]]:
        """Opens the queue, keeps the experiment's file in the folder, and works until all jobs have ended.

        Args:
            plan: The experiment.
            file: Name of its file in the folder.
            text: Of that file.
            opening: Told before the first job.
            noun: What a job is called, in the plural.
            retry_failed: Take up again what has failed before.
            console: As in `run`.

        Returns:
            The queue, and how each job has ended.

        Raises:
            UserError: If the queue cannot be opened.
            Stopped: As `run`.
            RunError: As `run`.
        """
        patience = self.patience(console, self.opening_s)
        queue = self.open_queue(plan, patience)
        write_text(self.folder / file, text)
        console.note(opening)
        if retry_failed:
            again = patience(lambda: queue.reopen_failed(plan.jobs))
            console.note(f"{len(again)} failed {noun} are tried again.")
        return queue, self.run(plan, console)

    def run(self, plan: Plan, console: Console) -> dict[str, Outcome]:
        """Works until all jobs have ended.

        Args:
            plan: The experiment.
            console: Told what is done, if this process does the work; others print as much in lines.

        Returns:
            How each job has ended.

        Raises:
            Stopped: After a signal; what was running has written its checkpoint and is back in the queue.
            RunError: If workers died and left jobs.
        """
        patience = self.patience(console)
        queue = self.open_queue(plan, patience)
        try:
            if self.workers == 1 and not any(":" in device for device in self.devices):
                Worker(plan, queue, self.folder, console, patience, self.training).run()
            else:
                self._run_processes(plan, console)
                patience = self.patience(console, self.opening_s)  # the workers had the long one
        except Stopped as stop:  # in the midst of a cell, which is not to be resumed by itself
            kept = "each cell keeps its last good checkpoint"
            raise Stopped(stop.signal_number, go_on="the same command", left=kept) from None
        outcomes = patience(lambda: queue.outcomes(plan.jobs))
        left = len(plan.jobs) - len(outcomes)
        if left:
            raise RunError(
                f"all workers have ended, but {left} of {len(plan.jobs)} cells have not, expected"
                " none. Look above for what ended the workers; the same command goes on."
            )
        return outcomes

    def _run_processes(self, plan: Plan, console: Console) -> None:
        context = multiprocessing.get_context("spawn")  # accelerators do not survive a fork
        processes = []
        with StopRequest() as stop:
            groups = device_groups(self.devices, self.processes) or [()]
            for index in range(self.workers):
                process = context.Process(
                    target=_work,
                    args=(self, plan, groups[index % len(groups)], console_elsewhere(console)),
                    name=f"worker {index + 1}",
                )
                with starting_python():
                    process.start()
                processes.append(process)
            try:
                _wait(processes, stop, console)
            finally:
                _terminate(processes)
                for process in processes:
                    process.join()
            if stop.signal_number is not None:
                raise Stopped(stop.signal_number)


def _wait(processes: Sequence[BaseProcess], stop: StopRequest, console: Console) -> None:
    """Until all have ended; a signal that they have not got is passed on once."""
    alive, told = list(processes), False
    while alive:
        if stop() and not told:
            told = True
            # Ctrl-C on Windows has reached the workers too, and there no other signal can: to terminate is to kill.
            if sys.platform != "win32" or stop.signal_number != signal.SIGINT:
                _terminate(alive)
        time.sleep(0.2)
        for process in [process for process in alive if not process.is_alive()]:
            alive.remove(process)
            if process.exitcode and not told:
                how = (
                    f"was killed by signal {-process.exitcode}"
                    if process.exitcode < 0
                    else f"ended with code {process.exitcode}"
                )
                console.note(f"Warning: {process.name} (process {process.pid}) {how}.")


def _terminate(processes: Sequence[BaseProcess]) -> None:
    # SIGTERM and not SIGINT: after a Ctrl-C in the terminal the workers have that one already, and a
    # second one would end them without a checkpoint.
    for process in processes:
        if process.is_alive():
            process.terminate()


def _work(
    pool: WorkerPool, plan: Plan, devices: Sequence[str], make_console: Callable[[], Console]
) -> None:
    """What a worker's process does."""
    os.environ.update(made_visible(devices))
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores() // pool.workers)))
    with lenient_streams():
        try:
            console = make_console()
            patience = pool.patience(console)
            queue = pool.open_queue(plan, patience)
            Worker(plan, queue, pool.folder, console, patience, pool.training).run()
        except Stopped as stop:
            sys.exit(128 + stop.signal_number)
        except (UserError, RunError) as error:
            print(f"Error: {for_terminal(str(error))}", file=sys.stderr, flush=True)
            sys.exit(1)
