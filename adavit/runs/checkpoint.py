"""All that a run must remember, in one file that is replaced as a whole and never runs code when read."""

import io
from pathlib import Path
from typing import Any

import torch

from adavit.errors import UserError
from adavit.runtime.files import write_bytes

FORMAT = 1
"""Raised when a checkpoint of an earlier version can no longer be continued."""


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
