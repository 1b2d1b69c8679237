"""Several processes that run one function as a world, each a fork of the test's own."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from adavit.cli.errors import run_and_exit
from adavit.runtime.process_group import ProcessGroup, process_group
from adavit.runtime.world import Together, World


def together(size: int, function: Callable[[World], Any]) -> list[Any]:
    """What the function returns on each of `size` processes, which talk over gloo; tensors and plain values only.

    They are forks: the function may be a closure, and nothing is imported anew.
    """
    with tempfile.TemporaryDirectory() as folder:

        def process(rank: int) -> None:
            torch.set_num_threads(1)
            address = f"file://{folder}/meeting"
            dist.init_process_group("gloo", init_method=address, rank=rank, world_size=size)
            torch.save(function(Together()), f"{folder}/{rank}.pt")
            dist.barrier()
            dist.destroy_process_group()

        mp.start_processes(process, nprocs=size, start_method="fork")
        return [torch.load(f"{folder}/{rank}.pt", weights_only=True) for rank in range(size)]


@dataclass(frozen=True)
class Ended:
    """How a process of a group ended.

    Attributes:
        code: Its exit code; negative for a signal.
        errors: What it wrote to standard error.
        process: Its number.
    """

    code: int
    errors: str
    process: int


def in_group(
    size: int,
    function: Callable[[ProcessGroup], Any],
    *,
    patience_s: float = 30.0,
    **arguments: Any,
) -> list[Ended]:
    """Runs a function in processes that have joined.

    Args:
        size: How many.
        function: Called with the group of each.
        patience_s: Of `process_group`.
        arguments: Of `launched`.
    """

    def joined() -> None:
        with process_group(patience_s=patience_s) as group:
            function(group)

    return launched(size, joined, **arguments)


def launched(
    size: int,
    function: Callable[[], Any],
    *,
    keeper: bool = True,
    local_size: int | None = None,
    limit_s: float = 60.0,
    **environment: str,
) -> list[Ended]:
    """Runs a function in processes that find themselves launched by torchrun, and end as the command line does.

    They are forks, see `together`. The store begins to answer when the last of them has been forked: its thread looks
    up the names of who connects, and a fork that takes place meanwhile may keep the locks of that for ever.

    Args:
        size: How many.
        function: Called in each.
        keeper: Whether this process keeps the store, as torchrun does; else rank 0 does.
        local_size: Processes on a machine; None for all.
        limit_s: All must have ended then.
        environment: Variables beside those of torchrun.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    if not keeper:
        listener.close()
    local = local_size or size
    with tempfile.TemporaryDirectory() as folder:

        def process(rank: int) -> None:
            torch.set_num_threads(1)
            os.dup2(os.open(f"{folder}/{rank}", os.O_WRONLY | os.O_CREAT), 2)
            sys.stderr = open(2, "w", closefd=False)  # pytest has put its own there
            os.environ |= {
                "RANK": str(rank),
                "WORLD_SIZE": str(size),
                "LOCAL_RANK": str(rank % local),
                "LOCAL_WORLD_SIZE": str(local),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "TORCHELASTIC_USE_AGENT_STORE": str(keeper),
                **environment,
            }
            code: Any = 0
            try:
                run_and_exit(function)
            except SystemExit as ending:
                code = ending.code
            sys.stderr.flush()
            os._exit(code)

        context = mp.get_context("fork")
        processes = [context.Process(target=process, args=(rank,)) for rank in range(size)]
        for each in processes:
            each.start()
        if keeper:
            store = dist.TCPStore(  # noqa: F841 - it answers for as long as it is held
                "127.0.0.1",
                port,
                is_master=True,
                wait_for_workers=False,
                master_listen_fd=listener.detach(),
            )
        end = time.monotonic() + limit_s
        for each in processes:
            each.join(max(0.0, end - time.monotonic()))
        late = [rank for rank, each in enumerate(processes) if each.is_alive()]
        for each in processes:
            each.kill()
            each.join()
        assert not late, f"ranks {late} have not ended within {limit_s:g} s"
        return [
            Ended(each.exitcode or 0, Path(folder, str(rank)).read_text(), each.pid or 0)
            for rank, each in enumerate(processes)
        ]
