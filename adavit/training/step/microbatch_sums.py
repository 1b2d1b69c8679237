"""What a microbatch adds to a step, and the whole of it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """What one microbatch measured; gradients add up by themselves.

    Attributes:
        train_logits: D at training images [b].
        generated_logits: D at generated images [b].
        losses: Means by name, 0-d, each times the microbatch's part of the batch.
        styles: w of the generated images [b, W].
    """

    train_logits: Tensor
    generated_logits: Tensor
    losses: dict[str, Tensor]
    styles: Tensor


def join(shares: list[Share]) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
    """The fields of `Share` over the whole batch."""
    losses = {
        name: torch.stack([share.losses[name] for share in shares]).sum()
        for name in shares[0].losses
    }
    return (
        torch.cat([share.train_logits for share in shares]),
        torch.cat([share.generated_logits for share in shares]),
        losses,
        torch.cat([share.styles for share in shares]),
    )
