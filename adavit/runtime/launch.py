"""Starting the processes of a run on this machine with torchrun's own agent, in this process."""

import contextlib
import inspect
import logging
import math
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from adavit.errors import RunError, UserError
from adavit.runtime.control_groups import cpu_quota
from adavit.runtime.python_children import starting_python
from adavit.runtime.signals import give_back, stopping_signals

QUIET = {"TORCH_CPP_LOG_LEVEL": "ERROR"}
"""Before torch is imported: a connection that breaks is no warning with a stack, since who is missing is told."""

MEANT = frozenset((2, *(128 + number for number in stopping_signals())))
"""Codes of a process that ended as it was to: a mistake that would be one again, or a signal that it was sent."""

TIME_TO_STOP_S = 600
"""A step may take minutes, and the checkpoint some more, before processes that were asked to stop are killed."""


def launch(
    processes: int, arguments: Sequence[str], *, restarts: int = 0, module: str = "adavit"
) -> int:
    """Runs the command line in several processes until all have ended.

    A signal is sent on to them, once; a second Ctrl-C ends this process at once, and them soon after. To be called in
    the main thread.

    Each of them calculates with its share of the cores, unless OMP_NUM_THREADS says otherwise.

    Args:
        processes: How many.
        arguments: Of `adavit`, for each of them.
        restarts: How often all are started anew where one has failed, other than with a code of `MEANT`.
        module: What takes the arguments, in place of the command line.

    Returns:
        The exit code: that of a process that failed, 128 and the signal's number after a signal, or 0.

    Raises:
        RunError: If a process was killed and none was left to say so.
    """
    with (
        tempfile.TemporaryDirectory(prefix="adavit-") as reports,
        _own_ways(processes),
        starting_python(),
        _restarting_failures_alone(),
    ):
        from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.launcher.api import LaunchConfig, elastic_launch

        def ask(number: int, frame: FrameType | None) -> None:
            asked.append(number)
            if len(asked) == 1:
                raise SignalException("asked to stop", sigval=signal.Signals(number))
            if number == signal.SIGINT:  # the processes end as soon as they miss this one
                shutil.rmtree(reports, ignore_errors=True)
                os._exit(128 + number)

        asked: list[int] = []
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",  # all are here, and the machine's own name may lead nowhere
            max_restarts=restarts,
            monitor_interval=0.1,
            logs_specs=DefaultLogsSpecs(log_dir=reports),
            **_patience(LaunchConfig),
            signals_to_handle="",
        )
        start = elastic_launch(config, sys.executable)
        try:
            for number in stopping_signals():
                signal.signal(number, ask)
            start("-m", module, *arguments)
        except SignalException as stopped:
            return 128 + stopped.sigval
        except ChildFailedError as failed:
            # Those that ended by themselves know why; the agent has ended the others.
            codes = [each.exitcode for each in failed.failures.values() if each.exitcode > 0]
            if not codes and not _is_told(Path(reports)):
                rank, first = failed.get_first_failure()
                raise RunError(
                    f"rank {rank} of {processes} (process {first.pid}) was ended by"
                    f" {signal.Signals(-first.exitcode).name}, expected all of them to the end. Start again: a run"
                    " that has begun goes on with adavit train --resume RUN."
                ) from None
            return min(codes, default=1)
    return 0


def _patience(config: type) -> dict[str, Any]:
    """How long processes have that were asked to stop; older versions of torch know no word for it, and wait 30 s."""
    name = "shutdown_timeout"
    return {name: TIME_TO_STOP_S} if name in inspect.signature(config).parameters else {}


@contextlib.contextmanager
def _restarting_failures_alone() -> Iterator[None]:
    """While entered, torchrun's agent starts none anew that ended as it was to."""
    from torch.distributed.launcher import api

    class Agent(api.LocalElasticAgent):
        def _monitor_workers(self, worker_group: Any) -> Any:
            result = super()._monitor_workers(worker_group)
            if any(each.exitcode in MEANT for each in result.failures.values()):
                self._remaining_restarts = 0
            return result

    usual = api.LocalElasticAgent
    api.LocalElasticAgent = Agent  # type: ignore[misc]  # which its launcher makes, and takes none
    try:
        yield
    finally:
        api.LocalElasticAgent = usual  # type: ignore[misc]


def check_processes_meet(processes: int | None) -> None:
    """Refuses several processes on Windows, where torch's store, signals and NCCL lack what they need.

    Args:
        processes: That are to train together; None is one.

    Raises:
        UserError: If there they cannot.
    """
    if processes is not None and processes > 1 and sys.platform == "win32":
        raise UserError(
            f"--processes is {processes}, but several processes do not train together on Windows, expected 1. Leave it"
            " out, or use WSL."
        )


def cores() -> int:
    """Those of the machine that this process may use, and whole ones of what a control group lets it have."""
    given = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = cpu_quota()
    return given if quota is None else max(1, min(given, math.floor(quota)))


def _is_told(reports: Path) -> bool:
    """Whether one of the processes that were started last has told what went wrong: it has left a report."""
    attempts = sorted(reports.glob("**/attempt_*"), key=lambda path: int(path.name[8:]))
    return any(attempts[-1].glob("**/error.json")) if attempts else False


@contextlib.contextmanager
def _own_ways(processes: int) -> Iterator[None]:
    """What its processes find in their environment; the agent's own log is not for users, who are told by the run."""
    given = {"OMP_NUM_THREADS": str(max(1, cores() // processes)), **QUIET}
    handlers = {number: signal.getsignal(number) for number in stopping_signals()}
    before = dict(os.environ)
    os.environ.update({key: os.environ.get(key, value) for key, value in given.items()})
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        os.environ.clear()
        os.environ.update(before)
        give_back(handlers)
