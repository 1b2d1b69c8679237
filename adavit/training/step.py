"""One training step: the gradients of both networks at the same point, applied together or not at all.

Simultaneous gradient descent, which with R1 converges locally like the alternating form (Mescheder et
al. 2018, arXiv:1801.04406, section 4). It lets one generator pass and one discriminator pass on the
generated images serve both losses, and a step whose numbers are not finite leaves nothing half done.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adavit.models import Generator
from adavit.training.average import GeneratorAverage
from adavit.training.losses import discriminator_loss, generator_loss
from adavit.training.penalties import r1_penalty
from augment import AugmentPipe


@dataclass(frozen=True)
class StepStreams:
    """The random generators of one step, each keyed by its purpose and the images seen."""

    latents: torch.Generator
    augmentation: torch.Generator


@dataclass(frozen=True)
class StepResult:
    """What a step measured; tensors stay on the device.

    Attributes:
        finite: False when the step was skipped whole.
        train_logits: D at augmented training images [B].
        generated_logits: D at augmented generated images [B].
        losses: Means by name, 0-d: loss_generator, loss_discriminator and, when it was due, r1.
    """

    finite: bool
    train_logits: Tensor
    generated_logits: Tensor
    losses: dict[str, Tensor]


class AdversarialStep:
    """Trains a generator against a discriminator on one batch at a time.

    Args:
        generator: Trained network.
        discriminator: Trained network; maps images and labels to logits [B].
        average: Follows the generator.
        pipe: Augmentation of everything the discriminator sees.
        generator_lr: Adam's step of the generator.
        discriminator_lr: Adam's step of the discriminator.
        betas: Adam's decay rates.
        warmup_images: Images over which both rates rise linearly from 0.
        r1_gamma: Weight of R1.
        r1_interval: Steps between penalties; each is weighted by the interval.
        microbatch: Images at a time, or None for the whole batch.
        autocast: Type of the networks' arithmetic, or None for float32.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        discriminator: nn.Module,
        average: GeneratorAverage,
        pipe: AugmentPipe,
        generator_lr: float,
        discriminator_lr: float,
        betas: tuple[float, float],
        warmup_images: float,
        r1_gamma: float,
        r1_interval: int,
        microbatch: int | None,
        autocast: torch.dtype | None,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.average = average
        self.pipe = pipe
        self.rates = (generator_lr, discriminator_lr)
        self.generator_optimizer = _adam(generator, generator_lr, betas)
        self.discriminator_optimizer = _adam(discriminator, discriminator_lr, betas)
        self.warmup_images = warmup_images
        self.r1_gamma = r1_gamma
        self.r1_interval = r1_interval
        self.microbatch = microbatch
        self.autocast = autocast

    def __call__(
        self, real: Tensor, labels: Tensor | None, *, images: int, streams: StepStreams
    ) -> StepResult:
        """Trains on one batch.

        Args:
            real: Images [B, C, H, W] in [-1, 1].
            labels: Class of each image [B], given to the generated images too, or None.
            images: Real images seen before this step.
            streams: Random generators of this step.

        Returns:
            The measurements; weights and moments are untouched if `finite` is False.
        """
        batch = len(real)
        penalise = self.r1_gamma > 0 and (images // batch) % self.r1_interval == 0
        latents = torch.randn(
            batch, self.generator.latent_dim, generator=streams.latents, device=real.device
        )
        self.generator_optimizer.zero_grad()
        self.discriminator_optimizer.zero_grad()
        size = self.microbatch or batch
        parts = []
        for start in range(0, batch, size):
            part = slice(start, start + size)
            part_labels = None if labels is None else labels[part]
            part_result = self._accumulate(
                real[part], part_labels, latents[part], len(real[part]) / batch, penalise, streams
            )
            parts.append(part_result)
        train_logits, generated_logits, losses, styles = _join(parts)
        finite = self._is_finite(losses)
        if finite:
            self._apply(styles, images=images + batch, batch=batch)
        return StepResult(finite, train_logits, generated_logits, losses)

    def _accumulate(
        self,
        real: Tensor,
        labels: Tensor | None,
        latents: Tensor,
        weight: float,
        penalise: bool,
        streams: StepStreams,
    ) -> "_Part":
        """Adds the gradients of one microbatch, which is `weight` of the batch."""
        real = real.detach().requires_grad_(penalise)
        with self.forward_precision(real.device):
            styles = self.generator.mapping(latents, labels)
            generated = self.generator.synthesis(styles, noise=streams.latents)
            generated_logits = self.logits(generated, labels, streams.augmentation)
            train_logits = self.logits(
                real, labels, streams.augmentation, twice_differentiable=penalise
            )
        g_loss = generator_loss(generated_logits).mean()
        d_loss = discriminator_loss(train_logits, generated_logits).mean()
        losses = {"loss_generator": g_loss.detach(), "loss_discriminator": d_loss.detach()}
        # The same graph serves both: each pass computes only the gradients of its own parameters.
        (weight * g_loss).backward(retain_graph=True, inputs=list(self.generator.parameters()))
        if penalise:
            r1 = r1_penalty(train_logits, real).mean()
            losses["r1"] = r1.detach()
            d_loss = d_loss + self.r1_interval * self.r1_gamma / 2 * r1
        (weight * d_loss).backward(inputs=list(self.discriminator.parameters()))
        scaled = {name: weight * value for name, value in losses.items()}
        return _Part(train_logits.detach(), generated_logits.detach(), scaled, styles.detach())

    def logits(
        self,
        images: Tensor,
        labels: Tensor | None,
        generator: torch.Generator,
        *,
        twice_differentiable: bool = False,
    ) -> Tensor:
        """D(T(x)) [B], float32: every image reaches the discriminator through the pipe."""
        with torch.autocast(images.device.type, enabled=False):
            augmented = self.pipe(images.float(), generator=generator)
        logits = self.discriminator(augmented, labels, twice_differentiable=twice_differentiable)
        return logits.float()

    def forward_precision(self, device: torch.device) -> torch.autocast:
        """The context in which the networks run."""
        return torch.autocast(
            device.type, dtype=self.autocast or torch.bfloat16, enabled=self.autocast is not None
        )

    def _is_finite(self, losses: dict[str, Tensor]) -> bool:
        gradients = [
            parameter.grad
            for network in (self.generator, self.discriminator)
            for parameter in network.parameters()
            if parameter.grad is not None
        ]
        total = nn.utils.get_total_norm(gradients) + sum(losses.values())
        return bool(torch.isfinite(total))  # the only wait for the device in a step

    def _apply(self, styles: Tensor, *, images: int, batch: int) -> None:
        warmth = min(1.0, images / self.warmup_images) if self.warmup_images else 1.0
        optimizers = (self.generator_optimizer, self.discriminator_optimizer)
        for optimizer, rate in zip(optimizers, self.rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * warmth
            optimizer.step()
        self.generator.track_average(styles)
        self.average.update(self.generator, images=images, batch=batch)


def _adam(network: nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    # Fused: one kernel for all tensors instead of a dozen for each.
    return torch.optim.Adam(network.parameters(), lr=rate, betas=betas, eps=1e-8, fused=True)


@dataclass(frozen=True)
class _Part:
    train_logits: Tensor
    generated_logits: Tensor
    losses: dict[str, Tensor]
    styles: Tensor


def _join(parts: list[_Part]) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
    losses = {
        name: torch.stack([part.losses[name] for part in parts]).sum() for name in parts[0].losses
    }
    return (
        torch.cat([part.train_logits for part in parts]),
        torch.cat([part.generated_logits for part in parts]),
        losses,
        torch.cat([part.styles for part in parts]),
    )
