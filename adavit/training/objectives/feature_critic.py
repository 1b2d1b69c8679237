"""The part of both losses that comes of a critic on frozen features, beside the discriminator.

Kumari et al. 2022 (arXiv:2112.09130) add such critics to StyleGAN2, Sauer et al. 2021 (arXiv:2111.01007) put one in the
discriminator's place.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from adavit.augment import Pipe
from adavit.features.background import on_random_background
from adavit.features.critic import FeatureCritic
from adavit.runtime.precision import without_autocast
from adavit.training.objectives.discriminator_objective import objective_of
from adavit.training.objectives.losses import AdversarialLoss
from adavit.training.objectives.regularizer import Microbatch
from adavit.training.objectives.schedules import Number


@dataclass(frozen=True)
class CriticTerm:
    """How it takes part in a step.

    Attributes:
        weight: Factor on the generator's part, >= 0.
        teaches_generator: Whether it is above 0.
    """

    weight: Number
    teaches_generator: bool


@dataclass(frozen=True)
class CriticLosses:
    """What is added to the losses of a microbatch, 0-d.

    Attributes:
        generator: Mean over heads and places, weighted, with the graph of the step; at a weight of 0 that of the
            heads.
        discriminator: Sum over heads of the mean over places, with the graph of the heads: each has weights of its
            own.
        means: For the statistics, by name: both parts as they are where the critic takes part in every step.
    """

    generator: Tensor
    discriminator: Tensor
    means: dict[str, Tensor]


class FeatureObjective:
    """The losses of a feature critic and of the generator against it.

    Where they are part of some steps only, they are multiplied by the interval there, as all that is lazy here
    (`Regularizer.factor`): so the mean gradient of the generator stays what it was (Karras et al. 2020,
    arXiv:1912.04958, appendix B, for R1). The heads, which learn by nothing else, are stepped in those steps only;
    to Adam the factor on their loss is nothing.

    Args:
        critic: Its heads are trained.
        loss: What they play for.
        weight: Factor on the generator's part.
        pipe: Augmentation of what the critic sees, at a probability of its own; None: what the discriminator
            sees.
        interval: Steps from one that the critic takes part in to the next, >= 1; the first one of a run is one.
        start_images: Images before the critic takes part.
        vanishes_at: p of the discriminator's augmentation, > 0, from which on the generator's part is left out;
            from p = 0 on it falls linearly. None: it stays.
    """

    def __init__(
        self,
        critic: FeatureCritic,
        loss: AdversarialLoss,
        *,
        weight: float,
        pipe: Pipe | None,
        interval: int = 1,
        start_images: float = 0,
        vanishes_at: float | None = None,
    ) -> None:
        self.critic = critic
        self.objectives = [objective_of(head) for head in critic.heads]
        self.loss = loss
        self.weight = weight
        self.pipe = pipe
        self.interval = interval
        self.start_images = start_images
        self.vanishes_at = vanishes_at

    @property
    def reports(self) -> tuple[str, ...]:
        """Names of the means in the statistics: both parts and, where it moves, the weight in force."""
        weight = () if self.vanishes_at is None else ("features_weight",)
        return ("features_generator", "features_discriminator", *weight)

    def in_step(self, images: int, batch: int, p: float) -> CriticTerm | None:
        """How it takes part in a step, or None where it takes none.

        Args:
            images: Real images seen before the step.
            batch: Of the step.
            p: Of the discriminator's augmentation in the step.
        """
        if images < self.start_images or images // batch % self.interval:
            return None
        weight = self.weight_at(p)
        return CriticTerm(weight, weight > 0)

    def weight_at(self, p: float) -> float:
        """Factor on the generator's part while the discriminator's images are augmented at `p`."""
        if self.vanishes_at is None:
            return self.weight
        return self.weight * max(0.0, 1 - p / self.vanishes_at)

    def losses(self, batch: Microbatch, term: CriticTerm) -> CriticLosses:
        """The two losses of a microbatch.

        At a weight of 0 nothing leads back through the frozen network; the heads go on learning what the generator
        makes, for when p falls again.
        """
        ground = batch.streams.of("ground of what the feature critic sees")
        with torch.set_grad_enabled(term.teaches_generator):
            real, generated = self._seen(batch)
            real, generated = (
                on_random_background(real, ground),
                on_random_background(generated, ground),
            )
        with batch.discriminator.precision(real.device):
            with torch.no_grad():
                shown = self.critic.maps(real)
            with torch.set_grad_enabled(term.teaches_generator):
                drawn = self.critic.maps(generated)
            with parametrize.cached():  # one spectral norm of each weight for both
                judged_real = self.critic.judge(shown, batch.labels)
                judged_fake = self.critic.judge(drawn, batch.labels)
        pairs = list(zip(judged_real, judged_fake, strict=True))
        fooling = [self.loss.generator(fake.logits, true.logits).mean() for true, fake in pairs]
        losses = [
            objective(self.loss, true, fake, batch.labels).mean()
            for objective, (true, fake) in zip(self.objectives, pairs, strict=True)
        ]
        generator, discriminator = (
            term.weight * torch.stack(fooling).mean(),
            torch.stack(losses).sum(),
        )
        means = [generator.detach(), discriminator.detach()]
        if self.vanishes_at is not None:
            # On the device, which is not waited for.
            means.append(torch.zeros_like(means[0]) + term.weight)
        return CriticLosses(
            self.interval * generator,
            self.interval * discriminator,
            dict(zip(self.reports, means, strict=True)),
        )

    def _seen(self, batch: Microbatch) -> tuple[Tensor, Tensor]:
        """Real images, without a graph, and generated ones, augmented."""
        if self.pipe is None:
            return batch.real.view.images.detach(), batch.generated.view.images
        stream = batch.streams.of("augmentation of what the feature critic sees")
        with without_autocast(batch.real.images.device):
            real = self.pipe(batch.real.images.detach().float(), generator=stream)
            return real, self.pipe(batch.generated.images.float(), generator=stream)
