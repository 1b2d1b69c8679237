"""The non-saturating logistic loss of Goodfellow et al. 2014 (arXiv:1406.2661, section 3).

0 is the decision threshold of a discriminator trained with it, so the sign of a logit is a verdict and
r_t (`augment.adaptive`) is defined.
"""

from torch import Tensor
from torch.nn.functional import softplus


def generator_loss(generated_logits: Tensor) -> Tensor:
    """-log sigmoid(D(G(z))), the non-saturating form.

    Args:
        generated_logits: D at generated images [B]; positive means "real".

    Returns:
        Loss per image [B], >= 0.
    """
    return softplus(-generated_logits)


def discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """-log sigmoid(D(x)) - log(1 - sigmoid(D(G(z)))).

    Args:
        real_logits: D at real images [B].
        generated_logits: D at generated images [B].

    Returns:
        Loss per pair of images [B], >= 0.
    """
    return softplus(-real_logits) + softplus(generated_logits)
