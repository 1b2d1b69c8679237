"""A process among those that make one run: it joins them, checks that they agree, and leaves them in good order."""

import contextlib
import datetime
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from adavit.augment.devices import is_accelerator
from adavit.errors import UserError, shown
from adavit.runtime.memory import total_bytes
from adavit.runtime.peers import PATIENCE_S, Peers
from adavit.runtime.place import Place
from adavit.runtime.rendezvous import store_of_all
from adavit.runtime.slurm import started_by_srun, told_by_srun
from adavit.runtime.version import __version__
from adavit.runtime.wording import counted, size
from adavit.runtime.world import ALONE, Together, World, rows_of_all

T = TypeVar("T")

WAIT = datetime.timedelta(days=7)
"""What all do together may wait so long for one of them: who is missing is found by `Peers` within a minute."""

MOST_NAMED = 4
"""Differences that a message names."""

_MEETINGS = itertools.count()


class ProcessGroup:
    """What a process knows of the run that it is a part of.

    Args:
        world: The processes.
        place: Of this one among them.
        peers: Watches the others; None where there are none.
    """

    def __init__(self, world: World, place: Place, peers: Peers | None = None) -> None:
        self.world = world
        self.place = place
        self._peers = peers
        self._note: Callable[[BaseException], object] | None = None

    def can_go_on(
        self, remedy: str, *, note: Callable[[BaseException], object] | None = None
    ) -> None:
        """Notes what is to be said where a process is missing from now on.

        Args:
            remedy: What is left, and how to go on.
            note: Told why all end, where that is another error than this process has met.
        """
        self._note = note
        if self._peers is not None:
            self._peers.remedy = remedy

    def ends_for(self, ending: BaseException) -> None:
        """Passes on why all end to what `can_go_on` was given."""
        if self._note is not None:
            self._note(ending)

    @property
    def leads(self) -> bool:
        """Whether this process writes, prints and decides."""
        return self.world.rank == 0

    def take_device(self, device: torch.device) -> None:
        """Notes what is to be said of its device where this process fails: they may be of different sizes.

        Raises:
            UserError: If there is no CUDA device here for this process, which would have to share one.
        """
        number, there = self.place.local_rank, torch.cuda.device_count()
        if device.type == "cuda" and number >= there:
            # Slurm shows a task only the devices that it is given.
            first = (
                "Give srun --gpus-per-node in place of --gpus-per-task, start"
                if started_by_srun()
                else "Start"
            )
            raise UserError(
                f"{counted(there, 'CUDA device', 'CUDA devices')} can be seen here, for {self.place.local_size}"
                f" processes, expected one for each. {first} fewer, or use --device cpu."
            )
        if self._peers is not None and is_accelerator(device):
            self._peers.device = f"{device.type}:{number} of {size(total_bytes(device))}"

    def in_turn(self, work: Callable[[], T]) -> T:
        """Does what leaves something on the disk of a machine: one of its processes does it, the others find it done.

        Args:
            work: Done by all, by the first of each machine before the others.
        """
        if self.place.local_rank:
            self.world.wait()
        done = work()
        if not self.place.local_rank:
            self.world.wait()
        return done

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Compares what the processes know; it must be the same for them to make one run.

        Args:
            facts: Plain values by what they are, such as {"adavit": "1.0"}.

        Raises:
            UserError: On all of them, if one differs from rank 0; it names the ranks and what differs.
        """
        everyone = _told_by_all(self.world, dict(facts))
        first = everyone[0]
        differing: dict[tuple[str, str], list[int]] = {}
        for rank, other in enumerate(everyone):
            for key in sorted(first.keys() | other.keys()):
                if other.get(key) != first.get(key):
                    differing.setdefault((key, shown(other.get(key))), []).append(rank)
        if not differing:
            return
        lines = [
            f"{_ranks(ranks)} {'has' if len(ranks) == 1 else 'have'} {key} {value}, rank 0"
            f" {shown(first.get(key))}"
            for (key, value), ranks in differing.items()
        ]
        more = len(lines) - MOST_NAMED
        rest = f"; and {more} more" if more > 0 else ""
        raise UserError(
            f"the {self.world.size} processes of this run are not alike: {'; '.join(lines[:MOST_NAMED])}{rest}."
            " Expected one version, one configuration and the same images on all machines. Mend that, and"
            " start again."
        )


def _ranks(ranks: list[int]) -> str:
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    *others, last = ranks
    return f"ranks {', '.join(map(str, others))} and {last}"


def _told_by_all(world: World, value: Any) -> list[Any]:
    """What each process gives, as JSON holds it, in the order of ranks; on all of them."""
    text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
    return [json.loads(bytes(each.tolist())) for each in rows_of_all(world, text)]


@contextlib.contextmanager
def process_group(*, patience_s: float = PATIENCE_S) -> Iterator[ProcessGroup]:
    """Joins the processes that torchrun or srun has started beside this one; alone where neither has.

    While entered, errors are told by one process for all: it raises what happened, the others `SystemExit`.

    Args:
        patience_s: A process that gives no sign of life for so many seconds is given up, and all end.

    Raises:
        UserError: If they have different versions of adavit or torch, or cannot meet where they were told to.
        RunError: If another process is missing, or does not come; it names it.
    """
    os.environ.update(told_by_srun(os.environ))
    place = Place.here()
    if place.size == 1:
        yield ProcessGroup(ALONE, place)
        return
    with_cuda = torch.cuda.is_available()
    if with_cuda and place.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(place.local_rank)
    store = store_of_all(place)
    meeting = dist.PrefixStore(f"adavit/{place.attempt}/{next(_MEETINGS)}", store)
    own = dist.PrefixStore("peers", meeting.clone())  # a connection that no collective waits on
    with _left_in_the_end(), Peers(own, place, patience_s=patience_s) as peers:
        group = ProcessGroup(ALONE, place, peers)
        try:
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if with_cuda else "gloo",
                store=dist.PrefixStore("group", meeting),
                rank=place.rank,
                world_size=place.size,
                timeout=WAIT,
            )
            group.world = Together()
            group.agree({"adavit": __version__, "torch": str(torch.__version__)})
            yield group
            group.world.wait()
        except BaseException as error:
            ending = peers.ending(error)
            if ending is error:
                raise
            group.ends_for(ending)
            raise ending from None


@contextlib.contextmanager
def _left_in_the_end() -> Iterator[None]:
    try:
        yield
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
