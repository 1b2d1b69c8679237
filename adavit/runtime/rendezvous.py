"""How the processes of a run find one another: at a store, to which each of them tells who it is."""

import contextlib
import datetime
import functools
import json
import math
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch.distributed as dist

from adavit.errors import RunError, UserError, first_line, shown
from adavit.runtime.place import Place
from adavit.runtime.time_spans import process_began

ELSEWHERE_S = 900.0
"""Another machine may begin so much later than this one."""

OWN_STARTS = 3.0
"""Processes of a machine are started at once: so many times as long as this one took to come it waits for another."""

LAST_PORT = 65_535

KEEPER = "what started the processes of this run"
"""Who keeps the store where torchrun does."""


@dataclass(frozen=True)
class Peer:
    """Another process of the run.

    Attributes:
        host: Name of its machine.
        process: Its number there.
        here: Whether it is on this machine, where the system tells of it.
    """

    host: str
    process: int
    here: bool = True

    @classmethod
    def told(cls, text: str | bytes) -> Self:
        """From what it has told the store."""
        peer = cls(*json.loads(text))
        # Machines, and containers on one, may have the same name.
        here = peer.host == socket.gethostname() and not peer.is_gone()
        return cls(peer.host, peer.process, here)

    def is_gone(self) -> bool:
        """Whether it has ended, as far as that can be known from here."""
        if not self.here:
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        with contextlib.suppress(OSError, IndexError):  # it has ended, and nobody has asked how
            state = Path(f"/proc/{self.process}/stat").read_text(encoding="ascii", errors="replace")
            return state.rpartition(")")[2].split()[0] == "Z"
        return False


@dataclass
class Absent(Exception):
    """A process has not come.

    Attributes:
        rank: Of it.
        waited_s: For so long.
    """

    rank: int
    waited_s: float


def store_of_all(place: Place) -> dist.Store:
    """The store that torchrun keeps for its processes, or rank 0 where something else has started them.

    It answers before all have come, as that of `torch.distributed.rendezvous` does not.

    Args:
        place: Of this process.

    Raises:
        UserError: If nobody says where it is, or rank 0 cannot keep it there.
        RunError: If it does not answer within `ELSEWHERE_S`.
    """
    told = os.environ
    if "MASTER_ADDR" not in told or "MASTER_PORT" not in told:
        raise UserError(
            f"RANK and WORLD_SIZE say that {place.size} processes train together, but MASTER_ADDR or MASTER_PORT is"
            " missing, expected where they meet. Start them by torchrun, or unset RANK and WORLD_SIZE."
        )
    host, port = told["MASTER_ADDR"], _port(told["MASTER_PORT"])
    try:
        return _store_at(host, port, is_master=not torchrun_keeps_it() and place.rank == 0)
    except dist.DistNetworkError as error:
        why = first_line(error)
        if "failed to listen" in why:  # there is one kind of error for all of the network
            raise UserError(
                f"MASTER_PORT is {port}, which this machine does not let rank 0 listen at"
                f" ({why.rpartition('message: ')[2]}), expected a free port, the same for all processes. Set"
                " MASTER_PORT to another one before they start."
            ) from None
        keeper = KEEPER if torchrun_keeps_it() else f"rank 0 of {place.size}"
        raise RunError(
            f"{keeper} does not answer at {host}:{port} within {ELSEWHERE_S:.0f} s, expected all processes to meet"
            " there. See that MASTER_ADDR names its machine, which the others must reach, and start all of them again."
        ) from None


@functools.cache  # rank 0 keeps it for the life of its process: others may come to a next run before it does
def _store_at(host: str, port: int, *, is_master: bool) -> dist.Store:
    return dist.TCPStore(
        host,
        port,
        is_master=is_master,
        timeout=datetime.timedelta(seconds=ELSEWHERE_S),
        wait_for_workers=False,
        multi_tenant=True,
    )


def _port(told: str) -> int:
    if re.fullmatch(r"\d{1,5}", told, re.ASCII) and 1 <= int(told) <= LAST_PORT:
        return int(told)
    raise UserError(
        f"MASTER_PORT is {shown(told)}, expected the number of a free port, 1 to {LAST_PORT}, the same for all"
        " processes. Set it to one, such as 29500."
    )


def torchrun_keeps_it() -> bool:
    """Whether the store is torchrun's own."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def meet(
    store: dist.Store, place: Place, *, patience_s: float, is_over: Callable[[], bool]
) -> dict[int, Peer]:
    """Tells the others who this process is, and waits until all of them have told.

    Args:
        store: For all of them.
        place: Of this one.
        patience_s: Another one of this machine is waited for so long, or `OWN_STARTS` times as long as this one
            took to come, if that is longer, up to `ELSEWHERE_S`.
        is_over: Whether another one has given up.

    Returns:
        The others by their ranks; those that have told, if it is over.

    Raises:
        Absent: If one does not come.
        RuntimeError: If the store has gone.
    """
    came = time.monotonic()
    took_s = came - process_began(longest_s=math.inf)  # which for a script of its own may be hours
    patience_s = max(patience_s, min(OWN_STARTS * took_s, ELSEWHERE_S))
    store.set(f"who/{place.rank}", json.dumps([socket.gethostname(), os.getpid()]))
    known: dict[int, Peer] = {}
    others = [rank for rank in range(place.size) if rank != place.rank]
    for rank in sorted(others, key=lambda rank: not _is_neighbour(place, rank)):
        limit_s = patience_s if _is_neighbour(place, rank) else ELSEWHERE_S
        while not store.check([f"who/{rank}"]):
            waited_s = time.monotonic() - came
            if is_over():
                return known
            if waited_s > limit_s:
                raise Absent(rank, waited_s)
            time.sleep(0.02)
        known[rank] = Peer.told(store.get(f"who/{rank}"))
    return known


def sibling(place: Place, rank: int) -> Peer | None:
    """The process of that rank, which has told nothing; None where the system does not name it.

    Args:
        place: Of this process, which the same parent has started.
        rank: Of the other.
    """
    if not _is_neighbour(place, rank):
        return None
    for process in _children(os.getppid()):
        with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
            variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            told = {key: value for key, _, value in (each.partition(b"=") for each in variables)}
            # Processes of a torchrun that srun has started have the number of that task too.
            if told.get(b"RANK", told.get(b"SLURM_PROCID")) == str(rank).encode():
                return Peer(socket.gethostname(), process)
    return None


def _is_neighbour(place: Place, rank: int) -> bool:
    """Whether a process is of this machine: ranks are counted machine by machine."""
    first = place.rank - place.local_rank
    return first <= rank < first + place.local_size


def _children(process: int) -> Iterator[int]:
    """Numbers of its child processes; on Linux."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, (thread / "children").read_text(encoding="ascii").split())
