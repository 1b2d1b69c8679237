"""A vision transformer as discriminator (encoder of Dosovitskiy et al. 2021, arXiv:2010.11929).

What differs from the paper by default stabilises training against a generator: queries and keys are
RMS-normalised, the residual branches start at a tenth (LayerScale), and the last layer does not
start at zero (it would hide the images from the generator and from R1 at the first step).
"""

from typing import Any

import torch
from torch import Tensor, nn

from adavit.models.epilogue import LABEL_LAYERS, LabelProjection, minibatch_std
from adavit.models.last_layer import LastLayer
from adavit.models.names import Side, part
from adavit.models.sizes import check_at_least, check_labels
from adavit.models.vit.constraints import constrain
from adavit.models.vit.encoder import VisionEncoder
from adavit.models.vit.parts import CONSTRAINTS, READOUTS
from adavit.runtime.patch import AnyPatch
from adavit.runtime.precision import full_precision, without_autocast
from adavit.runtime.resolution import AnyResolution, Resolution

# Standard deviation of the last layer at the start.
HEAD_STD = 0.02
# Length of the vectors that are compared with the labels, at most.
PROJECTION_MAX = 512


class ViTDiscriminator(nn.Module):
    """Images to logits: an encoder, of whose tokens a readout makes vectors, and a dense layer.

    Args:
        resolution: Height and width of the images, as `Resolution.of` takes them.
        image_channels: Channels of the images, >= 1.
        num_classes: Number of classes, seen by projection; 0 for none.
        patch: Side of a patch in pixels, or its height and width, as `Patch.of` takes them; must divide those of
            the images.
        width: Features D of a token.
        depth: Encoder blocks, >= 1.
        heads: Heads of the attention; must divide the width.
        mlp_ratio: Width of the hidden layers over D.
        layer_scale: Initial factor on the residual branches.
        stem: How images become tokens, a name in `parts.STEMS`.
        position_embedding: How tokens know their place, a name in `parts.POSITIONS`.
        attention: How tokens are mixed, a name in `parts.ATTENTIONS`.
        readout: Which tokens are judged, a name in `parts.READOUTS`.
        weight_constraint: Bound on the weights' spectral norms, a name in `parts.CONSTRAINTS`.
        registers: Tokens that belong to no patch and are not judged.
        patch_drop: Part of the patches that a training pass leaves out, see `draw_pass`.
        minibatch_std_group: Images compared with each other, by one number beside the judged token;
            0 for none, so that the logit of an image does not depend on the others.

    Raises:
        ValueError: If a size is out of range or parts and sizes do not go together.
    """

    def __init__(
        self,
        *,
        resolution: AnyResolution,
        image_channels: int,
        num_classes: int,
        patch: AnyPatch,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        layer_scale: float,
        stem: str,
        position_embedding: str,
        attention: str,
        readout: str,
        weight_constraint: str,
        registers: int,
        patch_drop: float,
        minibatch_std_group: int,
    ) -> None:
        super().__init__()
        check_at_least("num_classes", num_classes, 0)
        check_at_least("minibatch_std_group", minibatch_std_group, 0)
        self.resolution = Resolution.of(resolution)
        self.image_channels = image_channels
        self.num_classes = num_classes
        self.minibatch_std_group = minibatch_std_group
        self.readout = part(READOUTS, "readout", readout)()
        constraint = part(CONSTRAINTS, "weight_constraint", weight_constraint)
        self.encoder = VisionEncoder(
            image_size=self.resolution,
            image_channels=image_channels,
            patch=patch,
            width=width,
            depth=depth,
            heads=heads,
            mlp_ratio=mlp_ratio,
            layer_scale=layer_scale,
            stem=stem,
            position_embedding=position_embedding,
            attention=attention,
            class_tokens=self.readout.class_tokens,
            registers=registers,
            patch_drop=patch_drop,
        )
        compared = min(PROJECTION_MAX, width)
        judged = self.readout.parts * width + (minibatch_std_group > 0)
        dense = nn.Linear(judged, compared if num_classes else 1)
        projection = LabelProjection(num_classes, compared, LABEL_LAYERS) if num_classes else None
        self.head = LastLayer(dense, projection)
        self.encoder.draw_weights()
        nn.init.normal_(dense.weight, std=HEAD_STD)
        nn.init.zeros_(dense.bias)
        if constraint is not None:
            constrain(self.encoder, constraint)
            constrain(self.head, constraint)

    def draw_pass(self, batch: int, side: Side, generator: torch.Generator) -> dict[str, Any]:
        """Draws which patches a training pass sees; passes that are compared share one draw.

        Args:
            batch: Number of images B.
            side: Whose they are, which makes no difference here.
            generator: Source of the draw, on the device of the images.

        Returns:
            Arguments of `forward`: none if `patch_drop` is 0.
        """
        kept = self.encoder.draw_kept(batch, generator)
        return {} if kept is None else {"kept": kept}

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        twice_differentiable: bool = False,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Computes the logits of images.

        Args:
            images: Images [B, C, H, W] in [-1, 1]. Not modified.
            labels: Class numbers [B], int64, or None without classes.
            twice_differentiable: Whether gradients of gradients will be taken, as R1 does. True
                computes attention exactly; False by a fused kernel, which has a first derivative
                only.
            kept: Numbers of the patches that are looked at [B, K], from `draw_pass`; None for all.

        Returns:
            Logits [B], float32; above 0 means real.

        Raises:
            ValueError: If the shapes do not fit, or labels are missing or unexpected.
        """
        return self.judge(images, labels, twice_differentiable=twice_differentiable, kept=kept)[0]

    def judge(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        twice_differentiable: bool = False,
        kept: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor]]:
        """The logits of `forward`, and the vectors of which `head` has read them."""
        check_labels(labels, num_classes=self.num_classes, batch=images.shape[0])
        tokens = self.encoder(
            images,
            twice_differentiable=twice_differentiable,
            kept=kept,
            class_token_only=not self.readout.patches,
        )
        judged = full_precision(self.readout.pick(tokens))
        with without_autocast(images.device):
            vectors = self.readout.join(self.encoder.norm(judged))  # [B, F] or [B, N, F]
            if self.minibatch_std_group:
                # Measured before the norm, which takes the scale away.
                deviation = minibatch_std(judged, self.minibatch_std_group)
                deviation = deviation.view(-1, *[1] * (vectors.ndim - 1))
                deviation = deviation.expand(*vectors.shape[:-1], 1)
                vectors = torch.cat([vectors, deviation], dim=-1)
            vectors = self.head.prepare(vectors)
            return self.head.read(vectors, labels), (vectors,)
