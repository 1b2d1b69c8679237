"""Features for a probe that learns in seconds: responses to patches of the images themselves, and a thumbnail.

The single-layer network of Coates, Ng and Lee 2011 ("An analysis of single-layer networks in unsupervised feature
learning", section 3): patches are whitened, filters are drawn from them, responses beyond a threshold of either sign
are averaged over the quarters of the image. Nothing is trained, so the features are a function of the stream.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

FILTERS = 96
PATCH = 5
PATCHED_IMAGES = 400
THRESHOLD = 0.5
POOLED = 2
THUMBNAIL = 8
_EPSILON = 1e-4
_ROWS = 250


def patch_features(images: Tensor, stream: torch.Generator) -> Tensor:
    """Features of images.

    Args:
        images: float32 [N, 3, S, S], S >= 8, about [-1, 1].
        stream: Draws the patches.

    Returns:
        float32 [N, F], each feature with mean 0 and variance 1 over the images, or 0.
    """
    kernels, offsets = _filters(images, stream)
    parts = []
    for block in images.split(_ROWS):
        response = F.conv2d(block, kernels, offsets)
        both = torch.cat([F.relu(response - THRESHOLD), F.relu(-response - THRESHOLD)], dim=1)
        pooled = F.adaptive_avg_pool2d(both, POOLED).flatten(1).sqrt()
        parts.append(torch.cat([pooled, F.adaptive_avg_pool2d(block, THUMBNAIL).flatten(1)], dim=1))
    features = torch.cat(parts)
    deviation, mean = torch.std_mean(features, dim=0, correction=0)
    return (features - mean) / (deviation + 1e-3)


def _filters(images: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """Kernels [K, 3, PATCH, PATCH] and offsets [K] that whiten a patch and compare it with K of them."""
    chosen = images[torch.randperm(len(images), generator=stream)[:PATCHED_IMAGES]]
    size = chosen.shape[1] * PATCH**2
    patches = F.unfold(chosen, PATCH)[:, :, ::7].transpose(1, 2).reshape(-1, size)
    centring = torch.eye(size) - 1 / size  # each patch less its own mean
    patches = patches @ centring
    mean = patches.mean(0)
    deviations = patches - mean
    values, vectors = torch.linalg.eigh(deviations.T @ deviations / len(patches))
    scales = (values.clamp(min=0) + 0.05 * values.clamp(min=0).mean() + _EPSILON).rsqrt()
    whitening = vectors @ torch.diag(scales) @ vectors.T
    white = deviations @ whitening
    white = white[white.norm(dim=1) > 1e-3]
    drawn = white[torch.randperm(len(white), generator=stream)[:FILTERS]]
    directions = F.normalize(drawn, dim=1)
    if not len(directions):  # blank images only
        directions = torch.zeros(1, size)
    kernels = directions @ whitening @ centring
    return kernels.reshape(-1, chosen.shape[1], PATCH, PATCH), -(directions @ whitening @ mean)
