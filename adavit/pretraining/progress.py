"""How far a pre-training has come: images, the last figures, and the losses since."""

from typing import Any

import torch
from torch import Tensor

from adavit.runs.checkpoint import entry

NEVER = -1


class PretrainingProgress:
    """Plain values that a checkpoint holds.

    Attributes:
        images: Images seen.
        measured_at: Images at the last measurement; `NEVER` is due at once.
        figures: Of that measurement.
    """

    def __init__(self) -> None:
        self.images = 0
        self.measured_at = NEVER
        self.figures: dict[str, Any] = {}
        self._losses: list[Tensor] = []
        self._losses_before = torch.empty(0)  # a resume, on the CPU

    def is_due(self, every: float, *, ended: bool) -> bool:
        """Whether it is to be measured now: where a multiple of `every` images was passed, and at the end."""
        if self.measured_at in (NEVER, self.images):
            return self.measured_at == NEVER
        return ended or self.images // every > self.measured_at // every

    def stepped(self, images: int, loss: Tensor) -> None:
        """Counts one step; its loss is kept where it is, since to look at it would wait for the device."""
        self.images += images
        self._losses.append(loss)

    def measured(self, figures: dict[str, Any]) -> None:
        """Notes a measurement, with the mean loss of the steps since the last one."""
        losses = self._losses_since()
        training_loss = float(losses.mean()) if len(losses) else None
        self._forget_losses(torch.empty(0))
        self.measured_at = self.images
        self.figures = {"images": self.images, **figures, "training_loss": training_loss}

    def state_dict(self) -> dict[str, Any]:
        """All of it."""
        return {
            "images": self.images,
            "measured_at": self.measured_at,
            "figures": self.figures,
            "losses": self._losses_since(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned.

        Raises:
            ValueError: If a value is missing or of another kind.
        """
        self.images = entry(state, "images", int)
        self.measured_at = entry(state, "measured_at", int)
        self.figures = entry(state, "figures", dict)
        self._forget_losses(entry(state, "losses", Tensor).cpu())

    def _losses_since(self) -> Tensor:
        """Of the steps since the last measurement, on the CPU."""
        own = torch.stack(self._losses).cpu() if self._losses else torch.empty(0)
        return torch.cat([self._losses_before, own])

    def _forget_losses(self, but: Tensor) -> None:
        self._losses.clear()
        self._losses_before = but
