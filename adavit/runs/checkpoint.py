"""The checkpoint: the whole state of a run in one file, replaced as a whole, and read without running code."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from adavit.errors import UserError, first_line
from adavit.runtime.files import write_bytes

FORMAT = 1
"""Raised when a checkpoint of an earlier version can no longer be continued."""


Kind = TypeVar("Kind")


class Stateful(Protocol):
    """A part of a run that changes while it trains: a network, an optimiser, the control of p, ..."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for `torch.load(weights_only=True)`."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Takes over what `state_dict` returned; ValueError, KeyError or RuntimeError if it is another's."""
        ...


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
            part.load_state_dict(saved)
        except (KeyError, RuntimeError, ValueError) as error:  # of torch: names, shapes, groups
            raise DoesNotFit(f"{name}: {first_line(error)}") from error


def entry(state: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    """A value of a saved state, for `load_state_dict` of parts of ours.

    Raises:
        ValueError: If there is none of that name, or it is of another kind.
    """
    value = state.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {value!r}, expected {kind.__name__}")
    return value


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replaces the checkpoint; the one before survives a kill or a full disk.

    Args:
        path: The file.
        state: Nested dictionaries and lists of tensors and plain values.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU.

    Raises:
        UserError: If the file cannot be read, is damaged, is no checkpoint of ours, or holds
            anything but tensors and plain values (such a file is refused, never executed).
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(
            f"checkpoint {str(path)!r} cannot be read ({error.strerror or error}), expected a file"
            " that adavit train has written. Check the path."
        ) from None
    except Exception as error:  # noqa: BLE001  torch has no one class for a damaged or hostile file
        raise UserError(
            f"checkpoint {str(path)!r} is damaged or not a checkpoint ({type(error).__name__}),"
            " expected tensors and plain values. Start again with a new --out; the generators"
            " beside it are whole files of their own."
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else None
        raise UserError(
            f"checkpoint {str(path)!r} has format {found}, expected {FORMAT}. Continue it with the"
            " version of adavit that wrote it (environment.json), or start a new run."
        )
    return state
