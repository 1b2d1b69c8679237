"""The `inception` extractor: torch-fidelity's Inception-v3, 2048 features, which defines FID.

The network and its TensorFlow-1 resizing are torch-fidelity's own. Only the loading is ours:
torch-fidelity unpickles whatever file it is given, so it gets a state dict that `weight_files` has
read safely and checked.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import (
    URL_INCEPTION_V3,
    FeatureExtractorInceptionV3,
)

from adavit.augment.devices import is_accelerator
from adavit.metrics.extractors.extractor import as_rgb, exact_arithmetic
from adavit.metrics.extractors.fidelity import build_network, saved
from adavit.metrics.extractors.weight_files import WeightFile
from adavit.metrics.kinship import IMAGENET

NETWORK = "inception-v3-compat"
LAYER = "2048"
INCEPTION_WEIGHTS = WeightFile(
    "Inception", URL_INCEPTION_V3, "6726825d", "--inception-weights FILE"
)


class InceptionFeatures:
    """Pool features of Inception-v3 as every published FID since 2017 uses them.

    Args:
        state: Parameters and buffers by name, as `expected_state` lists them. Copied.
        weights_digest: sha256 of the file they come from.
        device: Where the network runs.
    """

    name = "inception"
    learned_from = IMAGENET
    features = 2048
    resize = "bilinear as in TensorFlow 1 to 299 px"

    def __init__(
        self, state: Mapping[str, Tensor], weights_digest: str, device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.weights_digest = weights_digest
        # Batches of 8 and channels_last run 1.6 times as fast on a CPU as torch-fidelity's 64 in
        # the default layout.
        self.batch = 128 if is_accelerator(self.device) else 8
        module = build_network(NETWORK, LAYER, dict(state)).to(self.device)
        self._class_weights: Tensor = module.get_parameter("fc.weight")  # [1008, 2048]
        self._module = module.to(memory_format=torch.channels_last)

    def __call__(self, images: Tensor) -> Tensor:
        """Features of images.

        Args:
            images: Images [B, C, H, W], uint8, C in 1, 3, 4, any device.

        Returns:
            Features [B, 2048], float32, >= 0, on `self.device`.

        Raises:
            UserError: If `images` is not such a tensor.
        """
        with exact_arithmetic():
            rgb = as_rgb(images.to(self.device))
            return self._module(rgb.contiguous(memory_format=torch.channels_last))[0]

    def logits(self, features: Tensor) -> Tensor:
        """Class logits without their bias, as the Inception score uses them.

        Args:
            features: Features [B, 2048] from this extractor, on any device.

        Returns:
            Logits [B, 1008], float32, on the device of `features`.
        """
        with exact_arithmetic():
            return features @ self._class_weights.to(features.device).T


def expected_state() -> dict[str, Tensor]:
    """Names, shapes and types of the network's 566 tensors.

    Returns:
        Tensors on the "meta" device: no memory, no weights.
    """

    class Skeleton(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: object, **__: object) -> None:
            """Loads nothing: the constructor would insist on a file."""

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        skeleton = Skeleton(NETWORK, [LAYER], feature_extractor_weights_path=saved({}))
    return dict(skeleton.state_dict())
