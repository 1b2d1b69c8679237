"""The end of every discriminator: minibatch standard deviation, and projection of class labels.

Minibatch standard deviation (Karras et al. 2018, arXiv:1710.10196, section 3) and projection (Miyato and
Koyama 2018, arXiv:1802.05637, in StyleGAN2-ADA's form).
"""

from torch import Tensor, nn

from adavit.models.groups import group_size
from adavit.models.last_layer import Projection
from adavit.models.layers import EqualisedLinear
from adavit.runtime.precision import full_precision, without_autocast


def minibatch_std(features: Tensor, group: int) -> Tensor:
    """Standard deviation over a group of samples, averaged over all features: one number for each sample.

    The group has the largest size that divides the batch and is not above `group`; sample i is in
    the group i mod (B / size). In a group of one the deviation is the constant 1e-4.

    Args:
        features: Features [B, ...], any number of further axes.
        group: Wanted group size, >= 1.

    Returns:
        Mean over features of sqrt(biased variance over the group + 1e-8), [B], >= 1e-4, float32.
    """
    batch = features.shape[0]
    size = group_size(batch, group)
    grouped = full_precision(features).reshape(size, batch // size, -1)  # [G, B / G, F]
    centred = grouped - grouped.mean(dim=0)
    deviation = (centred.square().mean(dim=0) + 1e-8).sqrt().mean(dim=1)  # [B / G]
    return deviation.repeat(size)


LABEL_LAYERS = 2
"""Layers of `LabelProjection`, where none are asked for."""

LABEL_LR_MULTIPLIER = 0.01
"""Factor on the learning rate of the layers of `LabelProjection`."""


class LabelProjection(Projection):
    """Scores feature vectors against a learned vector of each class, in float32.

    D(x, c) = <h(x), m(c)> / sqrt(M), where m is an embedding normalised to mean square 1 and
    dense layers whose learning rate is a hundredth (arXiv:2006.06676, appendix D).

    Args:
        num_classes: Number of classes, >= 1.
        features: Length M of the vectors.
        layers: Dense layers, >= 0; the published networks have 8.
    """

    def __init__(self, num_classes: int, features: int, layers: int) -> None:
        super().__init__(num_classes, features)
        self.layers = nn.Sequential(
            *(
                EqualisedLinear(
                    features, features, activation=True, lr_multiplier=LABEL_LR_MULTIPLIER
                )
                for _ in range(layers)
            )
        )

    def class_vectors(self, labels: Tensor) -> Tensor:
        """The vectors m [B, M] of classes [B], of mean square about 1."""
        vectors: Tensor = self.layers(self.embedding(labels))
        return vectors

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """Scores vectors [B, M] of samples with labels [B]: logits [B], float32."""
        with without_autocast(vectors.device):
            return super().forward(full_precision(vectors), labels)
