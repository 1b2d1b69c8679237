"""APA, adaptive pseudo augmentation: some generated images are shown as real ones, the more the more D overfits.

Jiang et al. 2021, "Deceive D" (arXiv:2111.06849, section 3).
"""

from typing import Any

import torch
from torch import Tensor

from adavit.augment import AdaptiveProbability
from adavit.models import Generator
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams


class PseudoAugmentation:
    """Replaces real images by generated ones, each with a probability that follows overfitting.

    The probability moves by the rule of ADA, on the logits of the real images only.

    Args:
        probability: How it moves.
    """

    def __init__(self, probability: AdaptiveProbability) -> None:
        self.probability = probability

    @property
    def p(self) -> float:
        """The probability, which may be set too: up to its cap, and from there it moves on."""
        return self.probability.p

    @p.setter
    def p(self, value: float) -> None:
        self.load_state_dict({**self.state_dict(), "p": value})

    def in_step(self) -> float | None:
        """Its probability in the next step, None for 0."""
        return self.p or None

    @torch.no_grad()
    def __call__(
        self,
        real: Tensor,
        labels: Tensor | None,
        generator: Generator,
        streams: StepStreams,
        p: float | Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Mixes generated images in.

        Args:
            real: Images [B, C, H, W]. Not modified.
            labels: Class of each image [B], given to its replacement too, or None.
            generator: Draws the replacements, of latents of their own.
            streams: Random generators of the step.
            p: Probability of a replacement, from `in_step`.

        Returns:
            The images to be shown as real [B, C, H, W], and which of them are, bool [B].
        """
        stream, batch = streams.of("pseudo images"), len(real)
        gates = torch.rand(batch, generator=stream, device=stream.device)
        is_real = gates >= (0.0 if p is None else p)
        if p is None:
            return real, is_real
        latents = torch.randn(batch, generator.latent_dim, generator=stream, device=stream.device)
        drawn = generator(latents, labels, noise=stream)
        return torch.where(is_real[:, None, None, None], real, drawn.to(real.dtype)), is_real

    def update(self, result: StepResult, images: int) -> None:
        """Moves the probability after a step; at the end of an interval the host waits for the device.

        Args:
            result: Of the step.
            images: Real images of the step.
        """
        self.probability.update(**result.verdicts, images=images)

    def state_dict(self) -> dict[str, Any]:
        """That of the probability."""
        return self.probability.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned."""
        self.probability.load_state_dict(state)
