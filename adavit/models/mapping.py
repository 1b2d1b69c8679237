"""The mapping network of StyleGAN2-ADA (arXiv:2006.06676): latents and labels to styles."""

from itertools import chain, pairwise, repeat

import torch
from torch import Tensor, nn

from adavit.models.layers import EqualisedLinear, normalise_second_moment
from adavit.models.limits import LR_MULTIPLIERS
from adavit.models.sizes import check_at_least, check_labels


class LabelEmbedding(nn.Module):
    """Learned vector of each class, normalised to mean square 1.

    A dense layer on one-hot labels, with its equalised learning rate, is a table of vectors; the
    run-time gain 1 / sqrt(num_classes) of that layer cancels in the normalisation and is kept for
    its effect on the learning rate.

    Args:
        num_classes: Number of classes, >= 1.
        features: Length of the vectors.
    """

    def __init__(self, num_classes: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_classes, features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.weight_gain = num_classes**-0.5

    def forward(self, labels: Tensor) -> Tensor:
        """Maps labels [B] to vectors [B, features], float32."""
        vectors = nn.functional.embedding(labels, self.weight) * self.weight_gain + self.bias
        return normalise_second_moment(vectors)


class MappingNetwork(nn.Module):
    """Maps latents, and labels if there are classes, to style vectors w.

    Args:
        latent_dim: Length Z of the latents.
        style_dim: Length W of the styles.
        num_classes: Number of classes; 0 for none.
        layers: Dense layers, each with a leaky ReLU, >= 1.
        lr_multiplier: Factor on the learning rate of the dense layers, within `LR_MULTIPLIERS`.

    Raises:
        ValueError: If a size is below 1, num_classes below 0, or the factor out of range.
    """

    def __init__(
        self,
        *,
        latent_dim: int,
        style_dim: int,
        num_classes: int,
        layers: int,
        lr_multiplier: float,
    ) -> None:
        super().__init__()
        check_at_least("latent_dim", latent_dim, 1)
        check_at_least("style_dim", style_dim, 1)
        check_at_least("num_classes", num_classes, 0)
        check_at_least("mapping_layers", layers, 1)
        low, high = LR_MULTIPLIERS
        if not low <= lr_multiplier <= high:
            raise ValueError(
                f"mapping_lr_multiplier is {lr_multiplier}, but must be from {low:g} to {high:g}. Use"
                " 0.01."
            )
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.lr_multiplier = lr_multiplier
        self.embedding = LabelEmbedding(num_classes, style_dim) if num_classes else None
        first = latent_dim + (style_dim if num_classes else 0)
        widths = chain([first], repeat(style_dim, layers))  # no list: a file may ask for 10^9
        self.layers = nn.Sequential(
            *(
                EqualisedLinear(width_in, width_out, activation=True, lr_multiplier=lr_multiplier)
                for width_in, width_out in pairwise(widths)
            )
        )

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Maps latents to styles, in float32 under autocast too.

        Args:
            latents: Latents [B, Z], usually N(0, 1).
            labels: Class numbers [B], int64, or None without classes.

        Returns:
            Styles w [B, W], float32.

        Raises:
            ValueError: If the shapes do not fit, or labels are missing or unexpected.
        """
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"latents have the shape {list(latents.shape)}, but must be [B, {self.latent_dim}]."
                f" Draw them with torch.randn(batch, {self.latent_dim})."
            )
        check_labels(labels, num_classes=self.num_classes, batch=latents.shape[0])
        vectors = normalise_second_moment(latents)
        if self.embedding is not None and labels is not None:
            vectors = torch.cat([vectors, self.embedding(labels)], dim=1)
        styles: Tensor = self.layers(vectors)
        return styles
