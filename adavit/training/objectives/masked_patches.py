"""Masked patch prediction beside the adversarial loss (Dosovitskiy et al. 2021, arXiv:2010.11929, appendix B.1.2)."""

import torch
from torch import Tensor

from adavit.models.masked_patches.corruption import draw_corruption
from adavit.models.masked_patches.prediction import (
    HEAD,
    MaskedPatchHead,
    masked_patch_accuracy,
    masked_patch_loss,
    predict_corrupted,
)
from adavit.models.vit.encoder import VisionEncoder
from adavit.training.objectives.regularizer import Microbatch, Regularizer
from adavit.training.objectives.schedules import Schedule


class MaskedPatches(Regularizer):
    """Cross-entropy of the colours of corrupted patches of real images, as they are after augmentation.

    Generated images are left out, those of APA too: to predict them would teach the trunk what it is to tell apart.
    All patches are encoded, whatever the discriminator's `patch_drop`. Needs `add_head`.

    Args:
        weight: Factor in the loss.
    """

    def __init__(self, weight: float | Schedule) -> None:
        super().__init__("masked_patches", weight)

    @property
    def reports(self) -> tuple[str, ...]:
        """The loss, and the part of the patches whose likeliest colour is right."""
        return (self.name, "masked_patch_accuracy")

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        images = batch.real.view.images.detach()
        encoder = batch.discriminator.network.get_submodule("encoder")
        head = batch.discriminator.network.get_submodule(HEAD)
        assert isinstance(encoder, VisionEncoder)
        assert isinstance(head, MaskedPatchHead)
        stream = batch.streams.of(self.name)
        corruption = draw_corruption(len(images), encoder.layout.patches, stream)
        with batch.discriminator.precision(images.device):
            prediction = predict_corrupted(encoder, head, images, corruption)
        with torch.no_grad():
            accuracy = masked_patch_accuracy(prediction, batch.shares)
        loss = masked_patch_loss(prediction, batch.shares)
        return {self.name: loss, "masked_patch_accuracy": accuracy}
