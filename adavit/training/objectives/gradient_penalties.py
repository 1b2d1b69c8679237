"""Penalties on the gradient of the discriminator: R1, R2, their approximation, WGAN-GP, and the drift of its level."""

import torch
from torch import Tensor

from adavit.models.names import Side
from adavit.training.objectives.penalties import (
    finite_difference_penalty,
    unit_gradient_penalty,
)
from adavit.training.objectives.regularizer import (
    DiscriminatedImages,
    Microbatch,
    Regularizer,
)
from adavit.training.objectives.schedules import Schedule
from adavit.training.passes.augmented_discriminator import per_image


class ExactPenalty(Regularizer):
    """R1 at real images, R2 at generated ones (Mescheder et al. 2018, arXiv:1801.04406, equations 9, 10).

    It takes the logits that the step has computed: no forward pass of its own.

    Args:
        name: "r1" or "r2".
        side: Where the gradient is taken.
        weight: gamma / 2.
        interval: Steps between two times.
    """

    def __init__(self, name: str, side: Side, weight: float | Schedule, interval: int) -> None:
        super().__init__(name, weight, interval)
        self.differentiates = side

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        assert self.differentiates is not None
        return {self.name: batch.at(self.differentiates).squared_gradient_norms().mean()}


class ApproximatePenalty(Regularizer):
    """R1 or R2 by finite differences, without second derivatives; see `finite_difference_penalty`.

    APT (Lin et al. 2025, arXiv:2501.08316, section 3). Noise is added before the augmentation, and
    all passes are augmented with the same draws and look at the same patches. The square of a derivative
    along one random direction has a relative standard deviation of sqrt 2 per image.

    Args:
        name: "r1" or "r2".
        side: Where the gradient is taken.
        weight: gamma / 2.
        interval: Steps between two times.
        sigma: Standard deviation of the noise, in pixel values, > 0.
        central: Whether to compare x + sigma n with x - sigma n, which costs a pass more, instead of x.
    """

    def __init__(
        self,
        name: str,
        side: Side,
        weight: float | Schedule,
        interval: int,
        *,
        sigma: float,
        central: bool,
    ) -> None:
        super().__init__(name, weight, interval)
        self.side = side
        self.sigma = sigma
        self.central = central

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        judged, stream = batch.at(self.side), batch.streams.of(f"{self.name} noise")
        noise = torch.randn(judged.images.shape, generator=stream, device=stream.device)

        def moved(sigma: float) -> Tensor:
            images = judged.images.detach() + sigma * noise
            view = batch.discriminator.view_alike(images, judged.view)
            return per_image(batch.discriminator.logits(view, batch.labels))

        ahead = moved(self.sigma)
        if self.central:
            penalty = finite_difference_penalty(ahead, moved(-self.sigma), 2 * self.sigma)
        else:
            penalty = finite_difference_penalty(ahead, judged.verdicts, self.sigma)
        return {self.name: penalty.mean()}


class InterpolatedPenalty(Regularizer):
    """WGAN-GP: gradient norm 1 on the lines between real and generated images (arXiv:1704.00028, algorithm 1).

    Args:
        weight: lambda, 10 in the paper.
    """

    def __init__(self, weight: float | Schedule) -> None:
        super().__init__("gradient_penalty", weight)

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        real, generated = batch.real.images.detach(), batch.generated.images.detach()
        stream = batch.streams.of("gradient penalty")
        share = torch.rand(len(real), 1, 1, 1, generator=stream, device=stream.device)
        between = torch.lerp(generated, real, share).requires_grad_(True)
        view = batch.discriminator.view(between, stream)
        judged = batch.discriminator.judge(view, batch.labels, twice_differentiable=True)
        norms = DiscriminatedImages(between, view, *judged).squared_gradient_norms()
        return {self.name: unit_gradient_penalty(norms).mean()}


class Drift(Regularizer):
    """E[D(x)^2], which keeps a Wasserstein critic's level near 0 (Karras et al. 2018, arXiv:1710.10196, A.1).

    Args:
        weight: epsilon, 0.001 in the paper.
    """

    def __init__(self, weight: float | Schedule) -> None:
        super().__init__("drift", weight)

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        return {self.name: batch.real.logits.square().mean()}
