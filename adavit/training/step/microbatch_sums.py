"""What the microbatches of a step add to it beside gradients, brought together from all processes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from adavit.runtime.world import World, joined


@dataclass(frozen=True)
class MicrobatchSums:
    """What one microbatch adds to a step; gradients add up by themselves.

    Attributes:
        train_logits: D at images shown as real [b].
        generated_logits: D at generated images [b].
        losses: Means by name, 0-d, each times the microbatch's part of the batch.
        styles: w of the generated images [b, W].
        is_training: As in `StepResult` [b], or None.
        observed: What regularizers have observed in it, by their names; of a total [S, ...], one row of each of
            S microbatches.
    """

    train_logits: Tensor
    generated_logits: Tensor
    losses: dict[str, Tensor]
    styles: Tensor
    is_training: Tensor | None
    observed: dict[str, list[Tensor]]

    @classmethod
    def total(cls, parts: Sequence[Self], world: World) -> Self:
        """That of the whole batch, in the order of its microbatches; the same on all processes.

        Args:
            parts: Of the microbatches of this process, all with the same parts.
            world: The processes, told in one message.
        """
        stacked = [
            torch.stack(each) for each in zip(*(part.tensors for part in parts), strict=True)
        ]
        train, generated, losses, styles, *others = joined(world, stacked)
        first = parts[0]
        mask = [] if first.is_training is None else [others.pop(0).flatten()]
        whole = train.flatten(), generated.flatten(), losses.sum(dim=0), styles.flatten(0, 1)
        return first.like([*whole, *mask, *others])

    @property
    def tensors(self) -> list[Tensor]:
        """All of it, the losses as one."""
        losses = torch.stack(list(self.losses.values()))
        mask = [] if self.is_training is None else [self.is_training]
        observed = [tensor for seen in self.observed.values() for tensor in seen]
        return [self.train_logits, self.generated_logits, losses, self.styles, *mask, *observed]

    def like(self, tensors: Sequence[Tensor]) -> Self:
        """Other `tensors` by the names of this one."""
        train, generated, losses, styles, *others = tensors
        mask = None if self.is_training is None else others.pop(0)
        rest = iter(others)
        return replace(
            self,
            train_logits=train,
            generated_logits=generated,
            losses=dict(zip(self.losses, losses.unbind(), strict=True)),
            styles=styles,
            is_training=mask,
            observed={name: [next(rest) for _ in seen] for name, seen in self.observed.items()},
        )
