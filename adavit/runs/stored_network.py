"""Networks as a file describes them, built once it is known that they hold no more than the file does.

The arguments in a file of some KB can ask for a network of any size. It is therefore first built without memory, and
compared with the tensors that the file holds.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

TABLE_ELEMENTS = 1 << 24
"""Numbers that a network may compute for itself, as fixed position embeddings, whatever it holds: 64 MB."""

Network = TypeVar("Network", bound=nn.Module)


def build_stored(
    build: Callable[[], Network],
    tensors: Mapping[str, Tensor],
    part: Callable[[Network], nn.Module] = lambda network: network,
) -> Network:
    """A network with the tensors of a file.

    Args:
        build: Makes the network from the arguments in the file; called twice.
        tensors: What the file holds, by name.
        part: The part of the network that the tensors are of.

    Returns:
        The network; the global random state is left alone.

    Raises:
        ValueError: If the tensors are not those of that network; or any other of
            `adavit.runs.weights_file.UNUSABLE`, if there is no such network.
    """
    with torch.random.fork_rng(devices=[]):
        with torch.device("meta"), _at_most_parameters(len(tensors)):
            _check_shapes(part(build()), tensors)
        network = build()
        part(network).load_state_dict(tensors)
    return network


@contextmanager
def _at_most_parameters(limit: int) -> Iterator[None]:
    """Ends a construction that registers more parameters than a file can hold: even without memory each takes time."""
    count = 0

    def check(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal count
        count += 1
        # A trunk is built within a discriminator, which has some more.
        if count > 2 * limit + 100:
            raise ValueError(f"it holds {limit} tensors, but its arguments ask for many more")

    handle = register_module_parameter_registration_hook(check)
    try:
        yield
    finally:
        handle.remove()


def _check_shapes(network: nn.Module, tensors: Mapping[str, Any]) -> None:
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise ValueError(f"it lacks {name}, which its arguments ask for")
        if tensors[name].shape != tensor.shape:
            raise ValueError(
                f"its {name} is {list(tensors[name].shape)}, but its arguments ask for"
                f" {list(tensor.shape)}"
            )
    unknown = sorted(tensors.keys() - wanted.keys())
    if unknown:
        raise ValueError(f"it has {unknown[0]}, which its arguments do not ask for")
    stored = sum(tensor.numel() for tensor in wanted.values())
    tables = sum(b.numel() for name, b in network.named_buffers() if name not in wanted)
    if tables > TABLE_ELEMENTS + 10 * stored:
        raise ValueError(f"its arguments ask for tables of {tables:,} numbers beside its weights")
