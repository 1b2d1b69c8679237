"""The `lpips-vgg16` extractor: features whose squared distance is LPIPS, for perceptual path lengths.

LPIPS of Zhang et al. 2018 (arXiv:1801.03924, equation 1) sums, over five layers l of VGG16, the
spatial mean of |w_l * (y_l - y'_l)|^2, where y_l has unit length over channels. That is the squared
Euclidean distance of the y_l multiplied by w_l / sqrt(H_l W_l), so the metric is a feature extractor
like any other. Its features number many thousands: they serve pairs of images, not covariances.

Normalisation and resizing are torch-fidelity's own; the weights are read as tensors only.
"""

from collections.abc import Mapping

import torch
import torchvision
from torch import Tensor
from torch_fidelity.sample_similarity_lpips import (
    URL_VGG16_LPIPS,
    SampleSimilarityLPIPS,
    normalize_tensor,
)

from adavit.augment.devices import is_accelerator
from adavit.metrics.extractors.extractor import FloatExtractor, tensors_digest
from adavit.metrics.extractors.weight_files import WeightFile
from adavit.metrics.kinship import IMAGENET

LPIPS_WEIGHTS = WeightFile("LPIPS", URL_VGG16_LPIPS, None, None)
CHANNELS = (64, 128, 256, 512, 512)
TAPS = (4, 9, 16, 23, 30)  # after the last ReLU of each of VGG16's five stages
SIDE = 64  # torch-fidelity's default; StyleGAN's was 256


class LpipsFeatures(FloatExtractor):
    """Weighted, normalised activations of VGG16 at five depths.

    Args:
        vgg16: VGG16's parameters by name, as torchvision publishes them; those of its convolutions
            are used.
        layer_weights: LPIPS's weights by name, as `expected_lpips_state` lists them.
        device: Where the network runs.
    """

    name = "lpips-vgg16"
    learned_from = IMAGENET
    pixel_range = (0.0, 255.0)
    features = sum(channels * (SIDE >> depth) ** 2 for depth, channels in enumerate(CHANNELS))
    resize = f"area (bilinear where smaller) to {SIDE} px"

    def __init__(
        self,
        vgg16: Mapping[str, Tensor],
        layer_weights: Mapping[str, Tensor],
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.batch = 128 if is_accelerator(self.device) else 16
        start = "features."  # the dense layers, nine tenths of the weights, have no part in it
        used = {n.removeprefix(start): t for n, t in vgg16.items() if n.startswith(start)}
        self.weights_digest = tensors_digest({**used, **layer_weights})
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            layers = torchvision.models.vgg16(weights=None).features
        layers.load_state_dict(used, assign=True)
        layers = layers.eval().requires_grad_(False).to(self.device)
        starts = (0, *TAPS[:-1])
        self._stages = [layers[first:last] for first, last in zip(starts, TAPS, strict=True)]
        weights = [layer_weights[name] for name in sorted(layer_weights)]
        # Published weights are not negative; a rounding error below zero has no root.
        self._roots = [weight.to(self.device).clamp(min=0).sqrt() for weight in weights]

    def _extract(self, images: Tensor) -> Tensor:
        signal = SampleSimilarityLPIPS.normalize(images)
        signal = SampleSimilarityLPIPS.resize(signal, SIDE)
        parts = []
        for stage, root in zip(self._stages, self._roots, strict=True):
            signal = stage(signal)
            area = signal.shape[2] * signal.shape[3]
            parts.append((normalize_tensor(signal) * root / area**0.5).flatten(1))
        return torch.cat(parts, dim=1)  # [B, F]


def expected_lpips_state() -> dict[str, Tensor]:
    """Names and shapes of LPIPS's own five tensors, on the "meta" device."""
    return {
        f"lin{depth}.model.1.weight": torch.empty(1, channels, 1, 1, device="meta")
        for depth, channels in enumerate(CHANNELS)
    }
