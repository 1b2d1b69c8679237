"""The order of the tokens in the encoder: class token, patches, registers."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenLayout:
    """The class token, then the patches row by row, then the registers.

    Registers come last, so that all that a readout looks at is a leading piece.

    Attributes:
        rows: Patches from top to bottom.
        columns: Patches from left to right.
        class_tokens: 1 or 0.
        registers: Tokens that belong to no patch and are never read (Darcet et al. 2024, arXiv:2309.16588).
    """

    rows: int
    columns: int
    class_tokens: int = 0
    registers: int = 0

    @property
    def patches(self) -> int:
        """Number N of patches."""
        return self.rows * self.columns

    @property
    def count(self) -> int:
        """Number T of all tokens."""
        return self.class_tokens + self.patches + self.registers

    def with_others(self, patches: Tensor) -> Tensor:
        """Places of patches among all tokens, with the places of the other tokens around them.

        Args:
            patches: Numbers of patches [B, K], int64 in [0, N).

        Returns:
            Numbers of tokens [B, class_tokens + K + registers], int64 in [0, T).
        """
        everything = torch.arange(self.count, device=patches.device).expand(len(patches), -1)
        last = self.class_tokens + self.patches
        return torch.cat(
            [everything[:, : self.class_tokens], patches + self.class_tokens, everything[:, last:]],
            dim=1,
        )
