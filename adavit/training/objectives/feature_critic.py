"""The part of both losses that comes of a critic on frozen features, beside the discriminator.

Kumari et al. 2022 (arXiv:2112.09130) add such critics to StyleGAN2, Sauer et al. 2021 (arXiv:2111.01007) put one in the
discriminator's place.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.augment import Pipe
from adavit.features.critic import FeatureCritic
from adavit.features.ground import on_random_ground
from adavit.runtime.precision import without_autocast
from adavit.training.objectives.losses import AdversarialLoss
from adavit.training.objectives.regularizer import Microbatch
from adavit.training.objectives.telling import telling_of


@dataclass(frozen=True)
class CriticLosses:
    """What is added to the losses of a microbatch, 0-d, with the graph of the step.

    Attributes:
        generator: Mean over heads and places.
        discriminator: Sum over heads of the mean over places: each head has weights of its own.
    """

    generator: Tensor
    discriminator: Tensor


class FeatureObjective:
    """The losses of a feature critic and of the generator against it.

    Args:
        critic: Its heads are trained.
        loss: What they play for.
        weight: Factor on the generator's part.
        pipe: Augmentation of what the critic sees, at a probability of its own; None: what the discriminator
            sees.
    """

    reports = ("features_generator", "features_discriminator")
    """Names of the two means in the statistics."""

    def __init__(
        self, critic: FeatureCritic, loss: AdversarialLoss, *, weight: float, pipe: Pipe | None
    ) -> None:
        self.critic = critic
        self.telling = [telling_of(head) for head in critic.heads]
        self.loss = loss
        self.weight = weight
        self.pipe = pipe

    def __call__(self, batch: Microbatch) -> CriticLosses:
        """The two losses of a microbatch; the graph of the second ends at the features."""
        real, generated = batch.real.view.images.detach(), batch.generated.view.images
        if self.pipe is not None:
            stream = batch.streams.of("augmentation of what the feature critic sees")
            with without_autocast(real.device):
                real = self.pipe(batch.real.images.detach().float(), generator=stream)
                generated = self.pipe(batch.generated.images.float(), generator=stream)
        ground = batch.streams.of("ground of what the feature critic sees")
        real, generated = on_random_ground(real, ground), on_random_ground(generated, ground)
        with batch.discriminator.precision(real.device):
            with torch.no_grad():
                shown = self.critic.maps(real)
            drawn = self.critic.maps(generated)
            judged_real = self.critic.judge(shown, batch.labels)
            judged_fake = self.critic.judge(drawn, batch.labels)
        pairs = list(zip(judged_real, judged_fake, strict=True))
        fooling = [self.loss.generator(fake.logits, true.logits).mean() for true, fake in pairs]
        telling = [
            tell(self.loss, true, fake, batch.labels).mean()
            for tell, (true, fake) in zip(self.telling, pairs, strict=True)
        ]
        return CriticLosses(self.weight * torch.stack(fooling).mean(), torch.stack(telling).sum())
