"""Predicting the tokens of a frozen network from those of an encoder, by perceptrons that nothing else uses.

As GAT does for its discriminator (Hyun et al. 2025, arXiv:2509.24935, in its code).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.vit.encoder import VisionEncoder
from adavit.runtime.precision import full_precision, without_autocast

PREDICTORS = "distillation"
"""Where the discriminator keeps them: its optimiser and its checkpoint are theirs too."""


class TokenPredictors(nn.Module):
    """A perceptron of three layers, with SiLU between them, for class tokens, and one for the tokens of patches.

    Args:
        width: Features D of a token.
        hidden: Width of the layers between.
        target: Features T of what is predicted.
        class_tokens: 1, or 0 for an encoder without: then there is the second alone.
    """

    def __init__(self, *, width: int, hidden: int, target: int, class_tokens: int) -> None:
        super().__init__()
        self.of_class = _perceptron(width, hidden, target) if class_tokens else None
        self.of_patches = _perceptron(width, hidden, target)

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Predictions from tokens [B, 1 + N, D].

        Returns:
            Of class tokens [B, 1, T], if there are any, and of patches [B, N, T].
        """
        if self.of_class is None:
            return [self.of_patches(tokens)]
        return [self.of_class(tokens[:, :1]), self.of_patches(tokens[:, 1:])]


def add_predictors(discriminator: nn.Module, *, hidden: int, target: int) -> None:
    """Gives a ViT discriminator its predictors; its logits stay as they are.

    Draws from torch's global generator, as modules do.

    Args:
        discriminator: With an encoder.
        hidden: Width of their layers.
        target: Features of what they predict.
    """
    encoder = discriminator.get_submodule("encoder")
    assert isinstance(encoder, VisionEncoder)
    width = encoder.norm.normalized_shape[0]
    predictors = TokenPredictors(
        width=width, hidden=hidden, target=target, class_tokens=encoder.layout.class_tokens
    )
    discriminator.add_module(PREDICTORS, predictors)


def predict_tokens(
    encoder: VisionEncoder, predictors: TokenPredictors, images: Tensor
) -> list[Tensor]:
    """Predictions of `TokenPredictors` from images [B, C, H, W] in [-1, 1], of which all patches are encoded."""
    tokens = encoder(images, twice_differentiable=False)
    with without_autocast(images.device):
        normalised = encoder.norm(full_precision(tokens))
    predictions: list[Tensor] = predictors(normalised)
    return predictions


def distillation_loss(
    predictions: list[Tensor], tokens: Tensor, shares: Tensor | None = None
) -> Tensor:
    """One minus the cosine of predicted and true tokens, its mean over the patches plus that of the class token.

    Args:
        predictions: From `predict_tokens`.
        tokens: Of the frozen network [B, 1 + N, T], the class token first.
        shares: Weights of the images in the means [B], which sum to 1; None for all alike.

    Returns:
        0-d, in [0, 4]; without a class token in [0, 2].
    """
    parts = [tokens[:, :1], tokens[:, 1:]][-len(predictions) :]
    cosines = [
        F.cosine_similarity(full_precision(found), full_precision(wanted), dim=2)
        for found, wanted in zip(predictions, parts, strict=True)
    ]
    distances = [
        1 - each.mean() if shares is None else ((1 - each).mean(dim=1) * shares).sum()
        for each in cosines
    ]
    return torch.stack(distances).sum()


def _perceptron(width: int, hidden: int, target: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(width, hidden), nn.SiLU()),
        *(nn.Linear(hidden, hidden), nn.SiLU()),
        nn.Linear(hidden, target),
    )
