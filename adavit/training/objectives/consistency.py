"""Consistency regularisation: augmented copies of an image, and images of near latents, are to get the same logit.

Zhao et al. 2020, "Improved Consistency Regularization for GANs" (arXiv:2002.04724): bCR (algorithm 1) on
images, zCR (algorithm 2) on latents.
"""

import functools
from dataclasses import replace

import torch
from torch import Tensor

from adavit.augment import AugmentPipe
from adavit.models.names import Side
from adavit.training.objectives.regularizer import Microbatch, Regularizer
from adavit.training.objectives.schedules import Schedule


class BalancedConsistency(Regularizer):
    """bCR: (D(T(x)) - D(x))^2 on real or generated images.

    As in StyleGAN2-ADA's comparison (arXiv:2006.06676, section 4) x has been through the adaptive
    augmentation already and T is a shift by whole pixels, up to 1/32 of the width and height; where the
    shorter of them is below 32 px, up to the fraction of both that one pixel is of it. Its T leaks:
    generated images may come out shifted, for which `adavit leaks` looks.

    Args:
        side: On which images.
        weight: lambda, 10 in the paper.
    """

    def __init__(self, side: Side, weight: float | Schedule) -> None:
        super().__init__(f"bcr_{side}", weight)
        self.side = side

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        judged = batch.at(self.side)
        seen = judged.view.images.detach()
        shift = consistency_shift(min(seen.shape[2:]), seen.device)
        shifted = shift(seen, generator=batch.streams.of(self.name))
        logits = batch.discriminator.logits(replace(judged.view, images=shifted), batch.labels)
        return {self.name: (judged.logits - logits).square().mean()}


@functools.lru_cache(maxsize=8)
def consistency_shift(shorter: int, device: torch.device) -> AugmentPipe:
    """T of bCR, kept: to bring a pipe to a device waits for it ten times.

    Args:
        shorter: Shorter side of the images, px.
        device: Where they are.
    """
    # Rounded to whole pixels, less than one would shift nothing.
    return AugmentPipe(xint=1, xint_max=max(1 / 32, 1 / shorter)).to(device)


class LatentConsistency(Regularizer):
    """zCR of the discriminator: (D(T(G(z))) - D(T(G(z + dz))))^2, with the same T for both.

    Args:
        weight: lambda_dis.
        noise: Standard deviation of dz.
    """

    def __init__(self, weight: float | Schedule, noise: float) -> None:
        super().__init__("zcr_discriminator", weight)
        self.noise = noise

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        with torch.no_grad():
            near = _drawn_nearby(batch, self.name, self.noise)
        view = batch.discriminator.view_alike(near, batch.generated.view)
        logits = batch.discriminator.logits(view, batch.labels)
        return {self.name: (batch.generated.logits - logits).square().mean()}


class LatentDiversity(Regularizer):
    """zCR of the generator: -(G(z) - G(z + dz))^2, mean over pixels: near latents give unlike images.

    Args:
        weight: lambda_gen.
        noise: Standard deviation of dz.
    """

    trains = "generator"

    def __init__(self, weight: float | Schedule, noise: float) -> None:
        super().__init__("zcr_generator", weight)
        self.noise = noise

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        near = _drawn_nearby(batch, self.name, self.noise)
        return {self.name: -(batch.generated.images - near).square().mean()}


def _drawn_nearby(batch: Microbatch, purpose: str, noise: float) -> Tensor:
    """G(z + dz), in the precision in which G(z) was drawn: rounding is no difference of theirs."""
    stream = batch.streams.of(purpose)
    moved = torch.randn(batch.latents.shape, generator=stream, device=stream.device)
    # Not the stream's device: what is played back into a CUDA graph has streams of the CPU.
    with batch.discriminator.precision(batch.latents.device):
        return batch.redraw(batch.latents + noise * moved)
