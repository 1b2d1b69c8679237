"""A vision transformer as discriminator (encoder of Dosovitskiy et al. 2021, arXiv:2010.11929).

What differs from the paper stabilises training against a generator: queries and keys are
RMS-normalised, the residual branches start at a tenth (LayerScale), and the last layer does not
start at zero (it would hide the images from the generator and from R1 at the first step). Spectral
norms and overlapping patches are not here.
"""

import torch
from torch import Tensor, nn

from adavit.models.encoder import Encoder
from adavit.models.minibatch_std import minibatch_std
from adavit.models.patch_embedding import PatchEmbedding
from adavit.models.precision import full_precision
from adavit.models.projection import LabelProjection
from adavit.models.sizes import check_at_least, check_images, check_labels, check_resolution

# Standard deviation of the class token, the position embedding and the last layer at the start.
EMBEDDING_STD = 0.02
# Length of the vectors that are compared with the labels, at most.
PROJECTION_MAX = 512


class ViTDiscriminator(nn.Module):
    """Images to logits: patches, a class token, position embedding, encoder; the class token is judged.

    Args:
        resolution: Side of the images in pixels, 4 * 2^k.
        image_channels: Channels of the images, >= 1.
        num_classes: Number of classes, seen by projection; 0 for none.
        patch: Side of a patch in pixels; must divide the resolution.
        width: Features D of a token.
        depth: Encoder blocks, >= 1.
        heads: Heads of the attention; must divide the width.
        mlp_ratio: Width of the hidden layers over D.
        layer_scale: Initial factor on the residual branches.
        minibatch_std_group: Images compared with each other, by one number beside the class token;
            0 for none, so that the logit of an image does not depend on the others.

    Raises:
        ValueError: If a size is out of range or does not divide another.
    """

    def __init__(
        self,
        *,
        resolution: int,
        image_channels: int = 3,
        num_classes: int = 0,
        patch: int = 4,
        width: int = 192,
        depth: int = 3,
        heads: int = 3,
        mlp_ratio: float = 4.0,
        layer_scale: float = 0.1,
        minibatch_std_group: int = 0,
    ) -> None:
        super().__init__()
        check_resolution(resolution)
        check_at_least("image_channels", image_channels, 1)
        check_at_least("num_classes", num_classes, 0)
        check_at_least("width", width, 1)
        check_at_least("depth", depth, 1)
        check_at_least("minibatch_std_group", minibatch_std_group, 0)
        self.resolution = resolution
        self.image_channels = image_channels
        self.num_classes = num_classes
        self.minibatch_std_group = minibatch_std_group
        self.patch_embedding = PatchEmbedding(
            resolution=resolution, image_channels=image_channels, patch=patch, width=width
        )
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position_embedding = nn.Parameter(
            torch.zeros(1, 1 + self.patch_embedding.count, width)
        )
        self.encoder = Encoder(
            depth=depth, width=width, heads=heads, mlp_ratio=mlp_ratio, layer_scale=layer_scale
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        compared = min(PROJECTION_MAX, width)
        self.head = nn.Linear(width + (minibatch_std_group > 0), compared if num_classes else 1)
        self.projection = LabelProjection(num_classes, compared) if num_classes else None
        self._initialise()

    def _initialise(self) -> None:
        """Draws the weights: Xavier for the dense layers, a small normal for the embeddings and the last layer."""
        for part in (self.patch_embedding, self.encoder):
            for module in part.modules():
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.class_token, std=EMBEDDING_STD)
        nn.init.trunc_normal_(self.position_embedding, std=EMBEDDING_STD)
        nn.init.normal_(self.head.weight, std=EMBEDDING_STD)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, images: Tensor, labels: Tensor | None = None, *, twice_differentiable: bool = False
    ) -> Tensor:
        """Judges images.

        Args:
            images: Images [B, C, H, W] in [-1, 1]. Not modified.
            labels: Class numbers [B], int64, or None without classes.
            twice_differentiable: Whether gradients of gradients will be taken, as R1 does. True
                computes attention exactly; False by a fused kernel, which has a first derivative
                only.

        Returns:
            Logits [B], float32; above 0 means real.

        Raises:
            ValueError: If the shapes do not fit, or labels are missing or unexpected.
        """
        check_images(images, resolution=self.resolution, image_channels=self.image_channels)
        check_labels(labels, num_classes=self.num_classes, batch=images.shape[0])
        tokens = self.patch_embedding(images)
        class_tokens = self.class_token.expand(images.shape[0], -1, -1).to(tokens.dtype)
        tokens = torch.cat([class_tokens, tokens], dim=1) + self.position_embedding
        judged = full_precision(
            self.encoder(tokens, twice_differentiable=twice_differentiable, read=1)[:, 0]
        )
        with torch.autocast(images.device.type, enabled=False):
            vectors = self.norm(judged)
            if self.minibatch_std_group:
                # Measured before the norm, which takes the scale away.
                deviation = minibatch_std(judged, self.minibatch_std_group)
                vectors = torch.cat([vectors, deviation[:, None]], dim=1)
            vectors = self.head(vectors)
            if self.projection is not None and labels is not None:
                logits: Tensor = self.projection(vectors, labels)
                return logits
            return vectors.squeeze(1)
