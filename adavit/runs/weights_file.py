"""The weights of a network and what is to be known of it, as one safetensors file: nothing in it can be executed.

Two digests inside tell damage: that of the tensors, which a record of an evaluation holds too, and
that of everything that is said of them.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.reading import TENSORS
from adavit.runtime.files import write_bytes
from adavit.runtime.inputs import check_regular

UNUSABLE = (
    *(OSError, SafetensorError, LookupError, ValueError, RuntimeError),
    *(TypeError, AttributeError, ArithmeticError),
)
"""What reading a file, its metadata, and building the network they are of raise where it is damaged or another's."""

METADATA = "metadata_sha256"
"""Entry with the digest of all others, that of the tensors among them."""


class UnsoundWeights(ValueError):
    """A file does not hold what was written into it, or holds no numbers; the message says which."""


def write_weights(path: Path, network: nn.Module, metadata: Mapping[str, str]) -> None:
    """Writes a file, atomically, with the version of adavit and both digests in it.

    The same weights and metadata are the same file to the byte.

    Args:
        path: Ends in .safetensors.
        network: Not changed.
        metadata: What to know of it.
    """
    write_tensors(path, network.state_dict(), metadata)


def write_tensors(path: Path, given: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """The same of tensors that are no network's.

    Args:
        path: Ends in .safetensors.
        given: By name, on any device. Not modified.
        metadata: What to know of them.
    """
    write_bytes(path, tensors_content(given, metadata))


def tensors_content(given: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """What `write_tensors` writes, for what is not kept in a file here."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in given.items()}
    said = {"adavit": version("adavit"), **metadata, TENSORS: tensors_digest(tensors)}
    return _in_order(save(tensors, metadata={**said, METADATA: _digest(said)}))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by name, and its metadata without the digests.

    Raises:
        OSError: If it cannot be read.
        SafetensorError: If it is no such file, or damaged.
        UnsoundWeights: If anything in it is not what was written, or a weight is not finite.
    """
    check_regular(path)
    with safe_open(path, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}
        said = dict(opened.metadata() or {})
    noted = said.pop(METADATA, None)
    if noted is None or TENSORS not in said:
        raise UnsoundWeights("it has no digest of its content")
    if noted != _digest(said):
        raise UnsoundWeights("it is damaged: what it says of the weights is not what was written")
    if said.pop(TENSORS) != tensors_digest(tensors):
        raise UnsoundWeights("it is damaged: its weights are not those that were written")
    check_finite(tensors)
    return tensors, said


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Refuses weights that are no numbers, as a network that diverged has them.

    Args:
        tensors: By name.

    Raises:
        UnsoundWeights: Naming the first tensor with a NaN or an infinity.
    """
    for name, tensor in tensors.items():
        if not tensor.numel() or not tensor.is_floating_point():
            continue
        # The extremes first: NaN comes through them, and they cost a tenth of looking at each number.
        if not torch.stack(torch.aminmax(tensor)).isfinite().all():
            wrong = int((~tensor.isfinite()).sum())
            raise UnsoundWeights(
                f"{wrong} of {tensor.numel()} weights of {name} are not finite, as where training"
                " diverged"
            )


def _in_order(content: bytes) -> bytes:
    """A safetensors file with its header sorted; the library writes metadata in an order by chance."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)  # tensors are aligned to 8 bytes
    return len(header).to_bytes(8, "little") + header + content[start:]


def _digest(said: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
