"""What a discriminator minimises: by the kind of its last layers, one loss or the two of SAN."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from adavit.models.san import SanLayer
from adavit.training.objectives.losses import AdversarialLoss


class Judged(Protocol):
    """Images as a network has judged them, each as a whole or at several places.

    Attributes:
        logits: Of the images [B], or of their places [B, P].
        vectors: What each of the network's last layers has read them of.
    """

    @property
    def logits(self) -> Tensor:
        """See above."""
        ...

    @property
    def vectors(self) -> tuple[Tensor, ...]:
        """See above."""
        ...


class DiscriminatorObjective(Protocol):
    """From real and generated images, both of the classes [B], to losses of pairs, as a whole or at their places."""

    def __call__(
        self, loss: AdversarialLoss, real: Judged, generated: Judged, labels: Tensor | None
    ) -> Tensor:
        """Losses [B] or [B, P]."""
        ...


class LogitsObjective:
    """The loss of the logits, from which all weights learn."""

    def __call__(
        self, loss: AdversarialLoss, real: Judged, generated: Judged, labels: Tensor | None
    ) -> Tensor:
        """See `DiscriminatorObjective`."""
        return loss.discriminator(real.logits, generated.logits)


class SanObjective:
    """SAN's two losses at once: all but the direction w learns by the first, w by the second.

    loss(s <sg(w), h + b>) + sg(s) <w, sg(h + b)> at generated images less the same at real ones, where sg stops the
    gradient (Takida et al. 2023, arXiv:2301.12811). The second is the distance of the means along w, whatever the
    first is. Only its gradient is added, not its value: losses of runs with SAN and without are read side by side, and
    the means are reported themselves. Penalties, the generator and the control of p take the logits as they are.

    Args:
        layers: Of which each reads its part of the vectors.
    """

    def __init__(self, layers: Sequence[SanLayer]) -> None:
        self.layers = list(layers)

    def __call__(
        self, loss: AdversarialLoss, real: Judged, generated: Judged, labels: Tensor | None
    ) -> Tensor:
        """See `DiscriminatorObjective`."""
        real_logits, real_along = self._slices(real, labels)
        false_logits, false_along = self._slices(generated, labels)
        apart = false_along - real_along
        return loss.discriminator(real_logits, false_logits) + (apart - apart.detach())

    def _slices(self, judged: Judged, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Both slices [B, P], those of all layers side by side."""
        pairs = [
            layer.slices(vectors, labels)
            for layer, vectors in zip(self.layers, judged.vectors, strict=True)
        ]
        first, second = (
            torch.cat([part.reshape(len(part), -1) for part in parts], dim=1)
            for parts in zip(*pairs, strict=True)
        )
        return first, second


def objective_of(network: nn.Module) -> DiscriminatorObjective:
    """What a discriminator, or a head, minimises."""
    layers = [part for part in network.modules() if isinstance(part, SanLayer)]
    return SanObjective(layers) if layers else LogitsObjective()
