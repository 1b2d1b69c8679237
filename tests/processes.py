"""Several processes that run one function as a world, each a fork of the test's own."""

import tempfile
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

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
