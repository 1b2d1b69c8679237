"""TensorBoard's event files, written when the `tensorboard` extra is installed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class EventLog:
    """Scalars against images seen; does nothing without the extra.

    Args:
        folder: Where the event files go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._purge_step: int | None = None
        self._writer: Any = None

    def purge_after(self, images: int) -> None:
        """Asks TensorBoard to forget what an interrupted run wrote past `images`."""
        self._purge_step = images + 1

    def write(self, record: Mapping[str, Any], images: int) -> None:
        """Adds the numbers of a record; what is None is left out."""
        if self._writer is None:
            try:  # not before there is something to write: half a second, which a start need not wait for
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self._writer = SummaryWriter(str(self._folder), purge_step=self._purge_step)
        for name, value in record.items():
            if isinstance(value, int | float) and name != "images":
                self._writer.add_scalar(name, value, images)
        self._writer.flush()
