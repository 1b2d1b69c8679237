"""The last layer of a discriminator or a head: from features to logits, with labels where there are classes."""

import math

from torch import Tensor, nn

from adavit.models.mapping import LabelEmbedding


class Projection(nn.Module):
    """Scores vectors against one of each class, <h, m(c)> / sqrt(M) (Miyato and Koyama 2018, arXiv:1802.05637).

    Args:
        num_classes: Number of classes, >= 1.
        features: Length M of the vectors.
    """

    def __init__(self, num_classes: int, features: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.embedding = LabelEmbedding(num_classes, features)
        self.gain = 1.0 / math.sqrt(features)

    def class_vectors(self, labels: Tensor) -> Tensor:
        """The vectors m [B, M] of classes [B], of mean square 1."""
        vectors: Tensor = self.embedding(labels)
        return vectors

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """Scores vectors [B, M, ...] of images, of one place or several, with labels [B]: [B, ...]."""
        classes = self.class_vectors(labels).to(vectors.dtype)
        classes = classes.view(*classes.shape, *[1] * (vectors.ndim - 2))
        return (vectors * classes).sum(dim=1) * self.gain


class LastLayer(nn.Module):
    """A dense layer, and with classes the projection of labels behind it.

    Features are one vector an image, one for each of N tokens, or a map. What is weighed in the end, the vectors, are
    the features themselves or, with classes, what the dense layer makes of them.

    Args:
        dense: Features [B, F], [B, N, F] or [B, C, H, W] to one number, or to the M of the projection.
        projection: Vectors [B, M, ...] and labels to logits [B, ...]; None without classes.
    """

    def __init__(self, dense: nn.Module, projection: Projection | None = None) -> None:
        super().__init__()
        self.dense = dense
        self.projection = projection

    def prepare(self, features: Tensor) -> Tensor:
        """The vectors that `read` weighs, of features."""
        return features if self.projection is None else over_tokens(self.dense(features))

    def read(self, vectors: Tensor, labels: Tensor | None) -> Tensor:
        """Logits [B], of a map [B, h, w], of vectors and the classes [B] of their images."""
        if self.projection is None:
            return over_tokens(self.dense(vectors)).squeeze(1)
        logits: Tensor = self.projection(vectors, labels)
        return logits

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """Logits [B], of a map [B, h, w], of features and the classes [B] of their images."""
        return self.read(self.prepare(features), labels)


def over_tokens(outputs: Tensor) -> Tensor:
    """The mean over tokens of [B, N, M], which is [B, M]; anything else as it is. Scoring a label is linear."""
    return outputs.mean(dim=1) if outputs.ndim == 3 else outputs
