"""The adversarial losses, as pure functions of logits; a positive logit means "real".

`generator_loss` and `discriminator_loss` are the non-saturating logistic loss, the default; `LOSSES`
holds all of them by name. Where 0 is the decision threshold, the sign of a logit is a verdict and r_t
(`adavit.augment.adaptive`) is defined; where only differences of logits enter, it is not.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from adavit.models.groups import images_of_part


def generator_loss(generated_logits: Tensor) -> Tensor:
    """-log sigmoid(D(G(z))), the non-saturating form of Goodfellow et al. 2014 (arXiv:1406.2661, section 3).

    Args:
        generated_logits: D at generated images [B]; positive means "real".

    Returns:
        Loss per image [B], >= 0.
    """
    return softplus(-generated_logits)


def discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """-log sigmoid(D(x)) - log(1 - sigmoid(D(G(z)))) (arXiv:1406.2661, equation 1).

    Args:
        real_logits: D at real images [B].
        generated_logits: D at generated images [B].

    Returns:
        Loss per pair of images [B], >= 0.
    """
    return softplus(-real_logits) + softplus(generated_logits)


def hinge_discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Lim and Ye 2017, arXiv:1705.02894, section 3.2).

    Args:
        real_logits: D at real images [B].
        generated_logits: D at generated images [B].

    Returns:
        Loss per pair of images [B], >= 0.
    """
    return relu(1 - real_logits) + relu(1 + generated_logits)


def wasserstein_generator_loss(generated_logits: Tensor) -> Tensor:
    """-D(G(z)), the generator's loss against a hinge or a Wasserstein discriminator.

    Arjovsky et al. 2017 (arXiv:1701.07875, section 3).

    Args:
        generated_logits: D at generated images [B].

    Returns:
        Loss per image [B].
    """
    return -generated_logits


def wasserstein_discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """D(G(z)) - D(x) (arXiv:1701.07875, equation 2, negated).

    It bounds nothing by itself: D must be kept smooth by a gradient penalty.

    Args:
        real_logits: D at real images [B].
        generated_logits: D at generated images [B].

    Returns:
        Loss per pair of images [B].
    """
    return generated_logits - real_logits


def relativistic_generator_loss(generated_logits: Tensor, real_logits: Tensor) -> Tensor:
    """-log sigmoid(D(G(z)) - D(x)), the pairing form of the relativistic loss.

    RpGAN of Jolicoeur-Martineau 2018 (arXiv:1807.00734), as in R3GAN (Huang et al. 2024,
    arXiv:2501.05441, equation 2).

    Args:
        generated_logits: D at generated images [B].
        real_logits: D at the real images, of the same classes, that they are paired with [B].

    Returns:
        Loss per pair of images [B], >= 0.
    """
    return softplus(real_logits - generated_logits)


def relativistic_discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """-log sigmoid(D(x) - D(G(z))), the counterpart of `relativistic_generator_loss`.

    Args:
        real_logits: D at real images [B].
        generated_logits: D at generated images [B].

    Returns:
        Loss per pair of images [B], >= 0.
    """
    return softplus(generated_logits - real_logits)


@dataclass(frozen=True)
class AdversarialLoss:
    """An adversarial loss: what each of the two networks minimises.

    Attributes:
        generator: From D(G(z)) and D(x), each [B], to the generator's loss per image [B].
        discriminator: From D(x) and D(G(z)) to the discriminator's loss per pair [B].
    """

    generator: Callable[[Tensor, Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]


LOSSES = {
    "non_saturating": AdversarialLoss(
        generator=lambda generated, real: generator_loss(generated),
        discriminator=discriminator_loss,
    ),
    "hinge": AdversarialLoss(
        generator=lambda generated, real: wasserstein_generator_loss(generated),
        discriminator=hinge_discriminator_loss,
    ),
    "relativistic": AdversarialLoss(relativistic_generator_loss, relativistic_discriminator_loss),
    "wasserstein": AdversarialLoss(
        generator=lambda generated, real: wasserstein_generator_loss(generated),
        discriminator=wasserstein_discriminator_loss,
    ),
}
"""What `training.loss` names."""

DECAY_PER_EPOCH = 0.99
"""Factor on k at each epoch, of section 4 of arXiv:2002.06224."""


class TopK:
    """How many images the generator learns from: those that the discriminator holds for the most real.

    Top-k training of Sinha et al. 2020 (arXiv:2002.06224, section 3): the generator learns from its better images only.

    k falls from the whole batch by 1% at each epoch, down to a part of it. The batch is the
    microbatch where there are such.

    Args:
        smallest_part: nu, the part of the batch that k ends at, in (0, 1]; 0.5 in the paper for small batches.
        epoch_images: Real images of an epoch.
    """

    def __init__(self, smallest_part: float, epoch_images: int) -> None:
        self.smallest_part = smallest_part
        self.epoch_images = epoch_images

    def count(self, batch: int, images: int) -> int:
        """K for a batch of this size after so many real images, in [1, batch]."""
        part = max(self.smallest_part, DECAY_PER_EPOCH ** (images // self.epoch_images))
        return images_of_part(part, batch)


def largest_logits(logits: Tensor, count: int) -> Tensor:
    """Which images have the `count` largest logits of [B], the largest first: their places [count]."""
    return logits.detach().topk(count).indices
