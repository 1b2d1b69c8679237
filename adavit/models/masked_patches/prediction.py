"""Predicting the mean colour of corrupted patches from the tokens that an encoder makes of the others."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.masked_patches.corruption import Corruption, corrupt, picked
from adavit.models.masked_patches.targets import class_count, mean_colour_classes
from adavit.models.vit.encoder import TOKEN_STD, VisionEncoder
from adavit.runtime.precision import full_precision, without_autocast

HEAD = "masked_patches"
"""Where the discriminator keeps the head: its optimiser and its checkpoint are those of the head too."""


class MaskedPatchHead(nn.Module):
    """What masked patch prediction adds to an encoder: the mask token and a dense layer.

    Args:
        width: Features D of a token.
        image_channels: Channels of the images, which decide the number K of classes.
    """

    def __init__(self, *, width: int, image_channels: int) -> None:
        super().__init__()
        self.mask_token = nn.Parameter(torch.zeros(width))
        self.classes = nn.Linear(width, class_count(image_channels))
        # Drawn as the other tokens are, and all classes nearly as likely at the start.
        for weight in (self.mask_token, self.classes.weight):
            nn.init.trunc_normal_(weight, std=TOKEN_STD)
        nn.init.zeros_(self.classes.bias)


@dataclass(frozen=True)
class Prediction:
    """Predicted and true classes of the M corrupted patches of a batch.

    Attributes:
        logits: Of their classes [M, K], float32.
        classes: What is right [M], int64.
    """

    logits: Tensor
    classes: Tensor


def head_for(encoder: VisionEncoder) -> MaskedPatchHead:
    """A new head that fits an encoder; draws from torch's global generator, as modules do."""
    width = encoder.norm.normalized_shape[0]
    return MaskedPatchHead(width=width, image_channels=encoder.image_channels)


def add_head(discriminator: nn.Module) -> None:
    """Gives a ViT discriminator the mask token and the layer that predicts.

    Its logits stay as they are. Draws from torch's global generator, as modules do.
    """
    encoder = discriminator.get_submodule("encoder")
    assert isinstance(encoder, VisionEncoder)
    discriminator.add_module(HEAD, head_for(encoder))


def predict_corrupted(
    encoder: VisionEncoder, head: MaskedPatchHead, images: Tensor, corruption: Corruption
) -> Prediction:
    """Predicts the classes of the corrupted patches of images.

    Patches are corrupted between the stem and the position embedding, so every token still knows its
    place. Stems whose patches share pixels (all but `linear`) tell a hidden patch's neighbours
    something of it, which makes the task easier.

    Args:
        encoder: The trunk; all patches are encoded, whatever its `patch_drop`.
        head: Of the same width and channels.
        images: Images [B, C, H, W] in [-1, 1]. Not modified.
        corruption: Drawn for B images of the encoder's N patches.

    Returns:
        Logits and classes of all corrupted patches, image by image.
    """
    patches = corrupt(encoder.embed(images), head.mask_token, corruption)
    tokens = encoder.encode(patches, twice_differentiable=False)
    tokens = tokens[:, encoder.layout.class_tokens :]  # [B, N, D]
    with without_autocast(images.device):
        logits = head.classes(encoder.norm(full_precision(picked(tokens, corruption))))
    return Prediction(logits, picked(mean_colour_classes(images, encoder.patch), corruption))


def masked_patch_loss(prediction: Prediction, shares: Tensor | None = None) -> Tensor:
    """Mean cross-entropy over the corrupted patches (arXiv:2010.11929, appendix B.1.2), 0-d, in nats.

    Args:
        prediction: Of a batch.
        shares: Weights of its images in the mean [B], which sum to 1; None for all alike.
    """
    if shares is None:
        return F.cross_entropy(prediction.logits, prediction.classes)
    losses = F.cross_entropy(prediction.logits, prediction.classes, reduction="none")
    return _weighted(losses, shares)


def masked_patch_accuracy(prediction: Prediction, shares: Tensor | None = None) -> Tensor:
    """Part of the corrupted patches whose likeliest class is right, 0-d in [0, 1]; see `masked_patch_loss`."""
    hits = (prediction.logits.argmax(dim=1) == prediction.classes).float()
    return hits.mean() if shares is None else _weighted(hits, shares)


def _weighted(values: Tensor, shares: Tensor) -> Tensor:
    """Mean of values of corrupted patches [B K]: there are as many in each image."""
    return (values.unflatten(0, (len(shares), -1)).mean(dim=1) * shares).sum()
