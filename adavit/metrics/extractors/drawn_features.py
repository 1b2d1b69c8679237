"""The `drawn` extractor: a small classifier of `small_set`'s ten kinds of object, which comes with the package.

It was trained once on fresh drawings (`benchmarks/train_drawn.py`), whose truth is known: the kind of object, where
it lies, how large it is, which way it faces and its colour. So its distances see what is drawn. Of anything but
such drawings it knows nothing, and `adavit.evaluation.scoring` refuses it there.
"""

import hashlib
from collections.abc import Mapping
from importlib.resources import files

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor

from adavit.augment.devices import is_accelerator
from adavit.data.small_set.images import CLASSES
from adavit.errors import RunError
from adavit.metrics.extractors.extractor import FloatExtractor, Recognised
from adavit.metrics.kinship import DRAWINGS

WEIGHTS = "drawn.safetensors"
"""Beside this file: float16, and the threshold."""

WEIGHTS_DIGEST = "0b3abca21df9be191b8d6c3e6c960530caec5717d7400f25fd426d253a97848e"
"""Its sha256."""

SIDE = 32
CONVOLUTIONS = ((16, 1), (32, 2), (32, 1), (48, 2), (64, 1), (64, 2))
"""Channels and stride of each 3 x 3 convolution, from 32 px down to 4 px; a ReLU follows each."""

POOLED_SIDE = 2
FEATURES = 64
ATTRIBUTES = {"across": 3, "down": 3, "size": 3, "facing": 2, "colour": 8}
"""Bins of each attribute: thirds of the shift across and down and of the size, right and left, and six hues beside
dark and light grey."""


class DrawnFeatures(FloatExtractor):
    """What the classifier decides by: 64 features, of mean 0 and mean variance 1 over real drawings.

    Args:
        state: Weights by name, and "threshold", the probability of a kind from which on an image counts as
            recognised; 99.9% of real drawings reach it.
        weights_digest: sha256 of the file they come from.
        device: Where the network runs.

    Attributes:
        kinds: Names of the kinds of object.
    """

    name = "drawn"
    learned_from = DRAWINGS
    pixel_range = (-1.0, 1.0)
    features = FEATURES
    resize = f"antialiased bilinear to {SIDE} px"
    kinds = CLASSES

    def __init__(
        self, state: Mapping[str, Tensor], weights_digest: str, device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.batch = 2000 if is_accelerator(self.device) else 250
        self.weights_digest = weights_digest
        self._state = {name: each.float().to(self.device) for name, each in state.items()}

    def knows(self, channels: int, height: int, width: int) -> bool:
        """Whether they are squares in colour that are not smaller than the drawings it was trained on.

        Of real drawings at 16 px it recognises one in five, of grey ones one in eight, of those cut to 64 x 32 px
        one in three.
        """
        return channels >= 3 and height == width >= SIDE

    def recognise(self, features: Tensor) -> Recognised:
        """What is seen in images.

        Args:
            features: Its own features [N, F].

        Returns:
            Kind and attributes of each image, on the network's device.
        """
        probabilities, attributes = self.said(features)
        confidence, kinds = probabilities[:, : len(CLASSES)].max(dim=1)
        return Recognised(torch.where(confidence < self._state["threshold"], -1, kinds), attributes)

    def said(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities [N, 11] of the kinds and of none of them, and the likeliest bin of each attribute [N, A]."""
        said = F.linear(
            features.to(self.device).float(), self._state["heads.weight"], self._state["heads.bias"]
        )
        kinds, *attributes = said.split([len(CLASSES) + 1, *ATTRIBUTES.values()], dim=1)
        bins = torch.stack([each.argmax(dim=1) for each in attributes], dim=1)
        return kinds.softmax(dim=1), bins

    def _extract(self, images: Tensor) -> Tensor:
        if tuple(images.shape[2:]) != (SIDE, SIDE):
            images = F.interpolate(
                images, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False
            )
        signal = images.contiguous(memory_format=torch.channels_last)  # a third faster on a CPU
        for index, (_, stride) in enumerate(CONVOLUTIONS):
            signal = F.relu(
                F.conv2d(
                    signal,
                    self._state[f"convolution{index}.weight"],
                    self._state[f"convolution{index}.bias"],
                    stride=stride,
                    padding=1,
                )
            )
        pooled = F.adaptive_avg_pool2d(signal, POOLED_SIDE).flatten(1)  # [B, 64 * 2 * 2]
        return F.linear(pooled, self._state["dense.weight"], self._state["dense.bias"])


def drawn_features(device: torch.device | str = "cpu") -> DrawnFeatures:
    """The extractor with the weights of the package.

    Raises:
        RunError: If they are not those that belong to this version.
    """
    stored = (files(__package__) / WEIGHTS).read_bytes()
    digest = hashlib.sha256(stored).hexdigest()
    if digest != WEIGHTS_DIGEST:
        raise RunError(
            f"{WEIGHTS} of the package has the sha256 {digest[:8]}..., but must have"
            f" {WEIGHTS_DIGEST[:8]}.... Install adavit again."
        )
    return DrawnFeatures(load(stored), digest, device)
