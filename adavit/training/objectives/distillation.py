"""Distilling the tokens of a frozen network into a ViT discriminator (GAT, Hyun et al. 2025, arXiv:2509.24935)."""

from torch import Tensor, nn

from adavit.models.distillation import (
    PREDICTORS,
    TokenPredictors,
    distillation_loss,
    predict_tokens,
)
from adavit.models.vit.encoder import VisionEncoder
from adavit.training.objectives.regularizer import Microbatch, Regularizer
from adavit.training.objectives.schedules import Schedule


class Distillation(Regularizer):
    """One minus the cosine of the teacher's tokens of augmented real images and what is predicted of them.

    Generated images are left out, those of APA too. All patches are encoded, whatever the discriminator's
    `patch_drop`; its logits never pass the teacher. Needs `add_predictors`.

    Args:
        weight: Factor in the loss.
        teacher: Frozen, for images and patches as the discriminator's; see `FoundTeacher.teacher`.
    """

    def __init__(self, weight: float | Schedule, teacher: nn.Module) -> None:
        super().__init__("distillation", weight)
        self.teacher = teacher

    def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
        """See `Regularizer`."""
        images = batch.real.view.images.detach()
        encoder = batch.discriminator.network.get_submodule("encoder")
        predictors = batch.discriminator.network.get_submodule(PREDICTORS)
        assert isinstance(encoder, VisionEncoder)
        assert isinstance(predictors, TokenPredictors)
        with batch.discriminator.precision(images.device):
            tokens = self.teacher(images)
            predictions = predict_tokens(encoder, predictors, images)
        return {self.name: distillation_loss(predictions, tokens, batch.shares)}
