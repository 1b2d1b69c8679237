"""Which of the processes of a run this one is, as torchrun or `slurm` says in the environment; known without torch."""

import os
import re
import socket
from dataclasses import dataclass
from typing import Any, Self

from adavit.errors import UserError, shown


@dataclass(frozen=True)
class Place:
    """Of a process among those that make one run.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        local_rank: Its number among those of its machine; the number of its CUDA device.
        local_size: How many of them are on its machine.
        launch: Names the launch that it is of, the same after a restart; None where nobody has launched it.
        attempt: How often all of them have been started anew.
        restarts: How often they may be.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    launch: str | None = None
    attempt: int = 0
    restarts: int = 0

    @classmethod
    def here(cls) -> Self:
        """Of this process; alone where torchrun has not started it.

        Raises:
            UserError: If a variable of its environment is not the number that torchrun would have written.
        """
        told = os.environ
        if "RANK" not in told or "WORLD_SIZE" not in told:
            return cls()
        run = told.get("TORCHELASTIC_RUN_ID", "none")
        # "none" is what torchrun calls every launch that was given no name: its process tells them apart.
        launch = run if run != "none" else f"{socket.gethostname()} {os.getppid()}"
        return cls(
            rank=_number("RANK", 0),
            size=_number("WORLD_SIZE", 1),
            local_rank=_number("LOCAL_RANK", 0),
            local_size=_number("LOCAL_WORLD_SIZE", 1),
            launch=launch,
            attempt=_number("TORCHELASTIC_RESTART_COUNT", 0),
            restarts=_number("TORCHELASTIC_MAX_RESTARTS", 0),
        )

    def name(self, device: str = "") -> str:
        """For people: which process it is, and where.

        Args:
            device: That it takes, in words.
        """
        where = f"{socket.gethostname()}, {device}" if device else socket.gethostname()
        return f"rank {self.rank} of {self.size} (process {os.getpid()} on {where})"

    def described(self) -> dict[str, Any]:
        """For `environment.json`: how many processes there are, and which launch of them; nothing of one alone."""
        return {} if self.launch is None else {"processes": self.size, "launch": self.launch}


def _number(name: str, least: int) -> int:
    """An environment variable as the number that it is, and `least` where it is not set."""
    told = os.environ.get(name, str(least))
    if re.fullmatch(r"\d{1,9}", told, re.ASCII) and int(told) >= least:
        return int(told)
    raise UserError(
        f"the environment variable {name} is {shown(told)}, expected a whole number from {least}, as torchrun sets it"
        " with RANK and WORLD_SIZE. Start the command by torchrun, or unset them."
    )
