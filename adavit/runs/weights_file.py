"""The weights of a network with metadata, as one safetensors file: nothing in it can be executed."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from adavit.runtime.files import write_bytes

UNUSABLE = (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError)
"""What reading a file, its metadata, and building the network they are of raise where it is damaged or another's."""


def write_weights(path: Path, network: nn.Module, metadata: Mapping[str, str]) -> None:
    """Writes a file, atomically, and the version of adavit into it.

    Args:
        path: Ends in .safetensors.
        network: Not changed.
        metadata: What to know of it.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    write_bytes(path, save(tensors, metadata={"adavit": version("adavit"), **metadata}))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by name, and its metadata.

    Raises:
        OSError: If it cannot be read.
        SafetensorError: If it is no such file, or damaged.
    """
    with safe_open(path, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}
        return tensors, opened.metadata() or {}
