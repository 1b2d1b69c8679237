"""The averaged generator of the best evaluation so far, as a part of the checkpoint."""

import copy
from typing import Any

import torch

from adavit.models import Generator


class BestGenerator:
    """Remembers the weights of the best evaluation.

    A file beside the log could be of an evaluation that a resumed run knows nothing of: it was written
    between the checkpoint and the kill. What the checkpoint holds always belongs to its log.

    Args:
        average: What is evaluated; the first one to remember.
    """

    def __init__(self, average: Generator) -> None:
        self.module = copy.deepcopy(average).cpu()

    @torch.no_grad()
    def take(self, average: Generator) -> None:
        """Remembers the present weights of `average`."""
        self.module.load_state_dict(average.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """The weights by name."""
        return self.module.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned.

        Raises:
            RuntimeError: If it is another generator's.
        """
        self.module.load_state_dict(state)
