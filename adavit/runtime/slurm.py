"""What Slurm's srun tells each of the tasks that it starts, in the words of torchrun, in whose place it then is."""

import os
import re
from collections.abc import Mapping

from adavit.errors import UserError

_PORTS = 10_000, 20_000
"""The first, and how many: below those that systems give to connections."""


def started_by_srun() -> bool:
    """Whether this process is a task of srun, or was started by one."""
    return "SLURM_STEP_NUM_TASKS" in os.environ


def tasks_of_srun(environment: Mapping[str, str]) -> str:
    """How many tasks of srun this process is one of, as srun writes it; "1" where torchrun has started it.

    Args:
        environment: Variables of this process.
    """
    return "1" if "RANK" in environment else environment.get("SLURM_STEP_NUM_TASKS", "1")


def told_by_srun(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables by which the tasks of a job step find one another, see `Place.here`.

    The tasks meet at the first machine of the step, on a port that follows from the numbers of job and step, unless
    MASTER_ADDR and MASTER_PORT name another place.

    Args:
        environment: Variables of this process.

    Returns:
        Nothing where srun has started one task alone, or torchrun has started this process.

    Raises:
        UserError: If srun's variables are not as they should be.
    """
    size = tasks_of_srun(environment)
    if size == "1":
        return {}
    try:
        machine = int(environment["SLURM_NODEID"])
        tasks = _tasks_by_machine(environment["SLURM_STEP_TASKS_PER_NODE"])
        place = {
            "RANK": environment["SLURM_PROCID"],
            "WORLD_SIZE": size,
            "LOCAL_RANK": environment["SLURM_LOCALID"],
            "LOCAL_WORLD_SIZE": str(tasks[machine]),
        }
        first, count = _PORTS
        steps = 10 * int(environment["SLURM_JOB_ID"]) + int(environment["SLURM_STEP_ID"])
        meeting = {
            "MASTER_ADDR": _first_machine(environment["SLURM_STEP_NODELIST"]),
            "MASTER_PORT": str(first + steps % count),
        }
    except (KeyError, IndexError, ValueError) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise UserError(
            f"srun has started {size} tasks, but what it says of them cannot be understood: {what}. Expected"
            " SLURM_PROCID, SLURM_LOCALID, SLURM_NODEID, SLURM_JOB_ID, SLURM_STEP_ID, SLURM_STEP_NODELIST and"
            " SLURM_STEP_TASKS_PER_NODE. Start them by srun torchrun, one torchrun on each machine."
        ) from None
    return {**place, **{name: environment.get(name, value) for name, value in meeting.items()}}


def _tasks_by_machine(told: str) -> list[int]:
    """Tasks on each machine: "4(x2),3" is [4, 4, 3]."""
    counts: list[int] = []
    for part in told.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if found is None:
            raise ValueError(f"SLURM_STEP_TASKS_PER_NODE {told}")
        counts += [int(found[1])] * int(found[2] or 1)
    return counts


def _first_machine(told: str) -> str:
    """The first name of a list of machines: that of "rack[2-3]n[07-09,12],login" is rack2n07."""
    first = re.match(r"(?:\[[^]]*\]|[^,[])+", told)
    if first is None:
        raise ValueError(f"SLURM_STEP_NODELIST {told}")
    return re.sub(r"\[([^],-]+)[^]]*\]", r"\1", first[0])
