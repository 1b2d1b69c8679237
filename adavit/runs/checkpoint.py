"""The checkpoint: the whole state of a run in one file, replaced as a whole, and read without running code.

It is a zip archive, as torch writes it, whose comment is the digest of everything before it: a cut
file, a zeroed page or one flipped bit is told from what was written.
"""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import torch
from torch import Tensor

from adavit.errors import UserError, first_line, shown
from adavit.runs.state_check import check_like, check_moments
from adavit.runs.weights_file import UnsoundWeights, check_finite
from adavit.runtime.exhaustion import is_out_of_memory
from adavit.runtime.inputs import check_regular

FORMAT = 1
"""Raised when a checkpoint of an earlier version can no longer be continued."""

_SEAL = b"adavit sha256 "
_SEAL_BYTES = len(_SEAL) + 2 * hashlib.sha256().digest_size
_READ_BYTES = 2**20

Kind = TypeVar("Kind")


class Stateful(Protocol):
    """A part of a run that changes while it trains: a network, an optimiser, the control of p, ..."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for `torch.load(weights_only=True)`."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Takes over what `state_dict` returned; ValueError, KeyError or RuntimeError if it is another's."""
        ...


class UnusableCheckpoint(UserError):
    """What a checkpoint file holds is not what a run goes on from, whenever it is read."""


class DoesNotFit(ValueError):
    """A checkpoint's content does not fit the run; the message says what does not."""


def state_of(parts: Mapping[str, Stateful]) -> dict[str, Any]:
    """The state of each part by its name, as `restore` takes it."""
    return {name: part.state_dict() for name, part in parts.items()}


def restore(parts: Mapping[str, Stateful], state: Mapping[str, Any]) -> None:
    """Gives each part the state that was saved under its name.

    Args:
        parts: All that the run must remember.
        state: From `load_checkpoint`.

    Raises:
        DoesNotFit: If a part's state is missing or is that of another network, optimiser, ...
    """
    for name, part in parts.items():
        saved = state.get(name)
        if not isinstance(saved, dict):
            raise DoesNotFit(f"it holds no state of {name}")
        try:
            check_like(saved, part.state_dict(), name)
            if isinstance(part, torch.optim.Optimizer):
                check_moments(saved, part, name)
            part.load_state_dict(saved)
        except (KeyError, RuntimeError, ValueError) as error:  # of torch: names, shapes, groups
            if is_out_of_memory(error):  # no fault of the file
                raise
            raise DoesNotFit(f"{name}: {first_line(error)[:300]}") from error


def entry(state: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    """A value of a saved state, for `load_state_dict` of parts of ours.

    Raises:
        ValueError: If there is none of that name, or it is of another kind.
    """
    value = state.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {shown(value)}, expected {kind.__name__}")
    return value


def checkpoint_bytes(state: Mapping[str, Any]) -> memoryview:
    """The content of a checkpoint file, its digest included.

    Args:
        state: Nested dictionaries and lists of tensors and plain values.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    # The last two bytes of a zip archive are the length of its comment, which torch leaves at 0.
    buffer.seek(-2, io.SEEK_END)
    buffer.write(_SEAL_BYTES.to_bytes(2, "little"))
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    buffer.write(_SEAL + digest.encode())
    return buffer.getbuffer()


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU.

    Raises:
        UnusableCheckpoint: If the file is damaged, is no checkpoint of ours, or holds anything but tensors and
            plain values (such a file is refused, never executed), or weights that are not finite.
        UserError: If it cannot be read, which says nothing of what it holds.
    """
    try:
        check_regular(path)
        with path.open("rb") as file:
            reason = _damage(file)
            state = None if reason else torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(
            f"checkpoint {str(path)!r} cannot be read ({error.strerror or error}), expected a file"
            " that adavit train has written. Check the path."
        ) from None
    except Exception as error:  # torch has no one class for a damaged or hostile file
        if is_out_of_memory(error):  # no fault of the file
            raise
        reason = type(error).__name__
    if reason:
        raise UnusableCheckpoint(
            f"checkpoint {str(path)!r} is damaged or not a checkpoint ({reason}), expected tensors"
            " and plain values as adavit has written them. Start again with a new --out; the"
            " .safetensors beside it do not depend on it."
        )
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else None
        raise UnusableCheckpoint(
            f"checkpoint {str(path)!r} has format {found}, expected {FORMAT}. Continue it with the"
            " version of adavit that wrote it (environment.json), or start a new run."
        )
    _check_networks(path, state)
    return state


def _damage(file: BinaryIO) -> str:
    """Why a file is not what was written, or nothing; it stands at its start afterwards."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _SEAL_BYTES))
    seal = file.read()
    if not seal.startswith(_SEAL) or size <= _SEAL_BYTES:
        return "it is cut, or was never whole: there is no digest at its end"
    file.seek(0)
    digest, left = hashlib.sha256(), size - _SEAL_BYTES
    while left and (part := file.read(min(left, _READ_BYTES))):
        digest.update(part)
        left -= len(part)
    file.seek(0)
    if digest.hexdigest().encode() != seal.removeprefix(_SEAL):
        return "its content is not what was written"
    return ""


def _check_networks(path: Path, state: Mapping[str, Any]) -> None:
    """Refuses networks that are no numbers; what else a checkpoint holds may have infinities."""
    for name, part in state.items():
        if not isinstance(part, dict) or not part:
            continue
        if all(isinstance(value, Tensor) for value in part.values()):
            try:
                check_finite(part)
            except UnsoundWeights as error:
                raise UnusableCheckpoint(
                    f"checkpoint {str(path)!r} cannot be used ({name}: {error}), expected the"
                    " networks of a run that went well. Use an earlier one, or start a new run."
                ) from None
