"""The `inception` extractor: torch-fidelity's Inception-v3, 2048 features, which defines FID.

The network and its TensorFlow-1 resizing are torch-fidelity's own. Only the loading is ours:
torch-fidelity unpickles whatever file it is given, so it gets a state dict that `inception_weights`
has read safely and checked.
"""

import io
from collections.abc import Mapping

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.utils import create_feature_extractor

from adavit.metrics.features import as_rgb, exact_arithmetic

NETWORK = "inception-v3-compat"
LAYER = "2048"


class InceptionFeatures:
    """Pool features of Inception-v3 as every published FID since 2017 uses them.

    Args:
        state: Parameters and buffers by name, as `expected_state` lists them. Copied.
        weights_digest: sha256 of the file they come from.
        device: Where the network runs.
    """

    name = "inception"
    suffix = ""
    features = 2048
    resize = "bilinear as in TensorFlow 1 to 299 px"

    def __init__(
        self, state: Mapping[str, Tensor], weights_digest: str, device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.weights_digest = weights_digest
        # Batches of 8 and channels_last run 1.6 times as fast on a CPU as torch-fidelity's 64 in
        # the default layout.
        self.batch = 8 if self.device.type == "cpu" else 128
        module = _build(dict(state)).to(self.device)
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


def expected_state() -> dict[str, Tensor]:
    """Names, shapes and types of the network's 566 tensors.

    Returns:
        Tensors on the "meta" device: no memory, no weights.
    """

    class Skeleton(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: object, **__: object) -> None:
            """Loads nothing: the constructor would insist on a file."""

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        skeleton = Skeleton(NETWORK, [LAYER], feature_extractor_weights_path=_saved({}))
    return dict(skeleton.state_dict())


def _build(state: dict[str, Tensor]) -> torch.nn.Module:
    # torch-fidelity unpickles `weights_path`; these bytes were written one line above, so that is
    # harmless. Building layers draws initial weights from the global generator, which must not
    # move.
    with torch.random.fork_rng(devices=[]):
        return create_feature_extractor(
            NETWORK,
            [LAYER],
            cuda=False,
            verbose=False,
            feature_extractor_weights_path=_saved(state),
        )


def _saved(state: dict[str, Tensor]) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer
