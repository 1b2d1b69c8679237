"""What CHAIN adds to training: the control of its p, and the pull of its features to mean 0.

Ni and Koniusz 2024 (arXiv:2404.00521); the normalisation itself is `adavit.models.resnet.chain`.
"""

from typing import Any

import torch
from torch import Tensor

from adavit.models.names import SIDES, Side
from adavit.models.resnet.chain import Chain, ChainPass, Moments
from adavit.runs.checkpoint import entry
from adavit.training.objectives.regularizer import Microbatch, Regularizer
from adavit.training.passes.step_result import StepResult

DECAY = 0.9
"""Part of the moving average of the signs that stays at each step."""


class ChainControl(Regularizer):
    """(p + p0) sum E[x]^2 over passes, normalised layers and channels, and p, which follows the logits of real images.

    At each step the moving average of the mean sign of D(x), 0 at the start, is compared with its target, and p
    moves by images / (1000 `speed_kimg`) towards or away from 1. The averages that the layers are normalised by move
    here too, so that a step that is not made leaves none. p itself belongs to the network, whose outputs depend on it.

    Args:
        chain: Of the discriminator.
        weight: Factor in the discriminator's loss, 20 in the paper's experiments with few images.
        p0: Added to p, >= 0, so that means are pulled to 0 while p is 0.
        target: Of the average sign, in [-1, 1].
        start_kimg: Thousands of images before p moves.
        speed_kimg: Thousands of images for p to move from 0 to 1, > 0.
    """

    def __init__(
        self,
        chain: Chain,
        weight: float,
        *,
        p0: float,
        target: float,
        start_kimg: float,
        speed_kimg: float,
    ) -> None:
        super().__init__("chain", weight)
        self.chain = chain
        self.p0 = p0
        self.target = target
        self.start_kimg = start_kimg
        self.speed_kimg = speed_kimg
        self.images = torch.zeros((), dtype=torch.int64)
        self.sign = torch.zeros(())

    @property
    def reports(self) -> tuple[str, ...]:
        """The penalty, and p."""
        return (self.name, "chain_p")

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        means = []
        for side in SIDES:
            means += [moments.means for moments in _moments(batch, side)]
        p = self.chain.p.clone()
        return {self.name: (p + self.p0) * torch.cat(means).square().sum(), "chain_p": p}

    def observe(self, batch: Microbatch) -> list[Tensor]:
        """Mean squares of each convolution [C], for real images and then for generated ones."""
        return [moments.squares for side in SIDES for moments in _moments(batch, side)]

    @torch.no_grad()
    def update(self, result: StepResult) -> None:
        """See `Regularizer`; a batch without training images (APA may leave none) leaves p as it is."""
        # Microbatches are of one size, so the mean of their means is that of the batch.
        squares = [parts.mean(dim=0) for parts in result.observed[self.name]]
        layers = len(squares) // len(SIDES)
        whole = {side: squares[i * layers : (i + 1) * layers] for i, side in enumerate(SIDES)}
        self.chain.remember(whole, result.finite)
        seen, train, counts = (
            len(result.generated_logits),
            result.train_logits,
            result.says_something,
        )
        self.images.add_(seen * result.finite)
        moved = torch.lerp(result.training_mean(train.sign()), self.sign, DECAY)
        self.sign.copy_(torch.where(counts, moved, self.sign))
        step = seen / (1000 * self.speed_kimg)
        p = (self.chain.p + step * (self.sign - self.target).sign()).clamp(0, 1)
        moves = counts & (self.images > 1000 * self.start_kimg)
        self.chain.p.copy_(torch.where(moves, p, self.chain.p))

    def to(self, device: torch.device) -> None:
        """See `Regularizer`."""
        self.images, self.sign = self.images.to(device), self.sign.to(device)

    def state_dict(self) -> dict[str, Any]:
        """See `Regularizer`."""
        return {"images": int(self.images), "sign": self.sign.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Regularizer`."""
        self.images.fill_(entry(state, "images", int))
        self.sign.copy_(entry(state, "sign", Tensor))


def _moments(batch: Microbatch, side: Side) -> list[Moments]:
    made = batch.at(side).view.drawn["chain_pass"]
    assert isinstance(made, ChainPass)
    return made.moments
