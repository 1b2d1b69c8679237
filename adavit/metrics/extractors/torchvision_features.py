"""The `torchvision:ARCH:FILE` extractor: any of torchvision's classifiers, with weights of the user's.

Features are what the last dense layer sees. The file is a state dict as `torch.save` writes it, of
the published network or of one trained on other classes; it is read as tensors only.
"""

import re
import warnings
from collections.abc import Mapping
from difflib import get_close_matches

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from adavit.augment.devices import is_accelerator
from adavit.errors import UserError
from adavit.metrics.extractors.extractor import FloatExtractor
from adavit.metrics.extractors.weight_files import check_fit
from adavit.metrics.kinship import IMAGENET
from adavit.models.vit.torchvision_weights import current_names

SIDE = 224
LIKE_PUBLISHED = {
    name: {"transform_input": True, "init_weights": False} for name in ("googlenet", "inception_v3")
}
"""What torchvision's builders do for their own weights alone: these were trained on images of another mean, into which
the network itself turns them. And to draw weights takes them seconds."""

_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")  # of torchvision's DenseNets


class TorchvisionFeatures(FloatExtractor):
    """Penultimate features of one of torchvision's classifiers.

    Args:
        architecture: As `torchvision.models.list_models` lists it, for example "resnet50".
        state: Parameters and buffers by name.
        weights_digest: sha256 of the file they come from.
        device: Where the network runs.

    Raises:
        UserError: If there is no such architecture, it ends in no dense layer, or `state` is not
            its.
    """

    learned_from = (
        IMAGENET  # as the published networks; a file of other classes began there as a rule
    )
    pixel_range = (0.0, 1.0)
    resize = f"antialiased bilinear to {SIDE} px"

    def __init__(
        self,
        architecture: str,
        state: dict[str, Tensor],
        weights_digest: str,
        device: torch.device | str = "cpu",
    ) -> None:
        self.name = f"torchvision-{architecture}"
        self.device = torch.device(device)
        self.weights_digest = weights_digest
        self.batch = 128 if is_accelerator(self.device) else 16
        network, last = _build(architecture, state)
        self.features = _dense(network, last).in_features
        network.set_submodule(last, nn.Identity())
        self._network = network.eval().requires_grad_(False).to(self.device)
        published = torchvision.models.get_model_weights(architecture)["DEFAULT"].transforms()
        self._mean, self._std = (
            torch.tensor(values, device=self.device).reshape(1, 3, 1, 1)
            for values in (published.mean, published.std)
        )

    def _extract(self, images: Tensor) -> Tensor:
        resized = F.interpolate(
            images, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False
        )
        features: Tensor = self._network((resized - self._mean) / self._std)
        return features


def _build(architecture: str, state: dict[str, Tensor]) -> tuple[nn.Module, str]:
    """The network with its weights, and the name of its last dense layer."""
    known = torchvision.models.list_models(module=torchvision.models)
    if architecture not in known:
        close = get_close_matches(architecture, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else "Use for example resnet50."
        raise UserError(
            f"extractor torchvision:{architecture}:... names no classifier of torchvision,"
            f" expected one of its {len(known)}. {hint}"
        )
    named = f"the file of extractor torchvision:{architecture}:..."
    network = _network(architecture, None)
    dense = [name for name, part in network.named_modules() if isinstance(part, nn.Linear)]
    if not dense:
        raise UserError(
            f"extractor torchvision:{architecture}:... has no dense layer, but its features are"
            " what the last one sees. Use another architecture, for example resnet50."
        )
    head = state.get(f"{dense[-1]}.weight")
    if head is not None and head.ndim == 2 and len(head) != _dense(network, dense[-1]).out_features:
        network = _network(architecture, len(head))  # trained on other classes
    wanted = f"a state dict of torchvision's {architecture}"
    state = {_OLD_NAME.sub(r"\1\2", name): tensor for name, tensor in current_names(state).items()}
    whole = network.state_dict()
    check_fit(_without_counters(state), _without_counters(whole), named, wanted)
    # Not `state` in its place: this one holds the versions of the modules, which MNASNet asks for.
    whole.update(state)
    network.load_state_dict(whole)
    return network, dense[-1]


def _dense(network: nn.Module, name: str) -> nn.Linear:
    layer = network.get_submodule(name)
    assert isinstance(layer, nn.Linear)
    return layer


def _without_counters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All but what batch normalisation counts in training, which older files lack."""
    counter = "num_batches_tracked"
    return {name: tensor for name, tensor in state.items() if not name.endswith(counter)}


def _network(architecture: str, classes: int | None) -> nn.Module:
    build = torchvision.models.get_model_builder(architecture)
    arguments: dict[str, int | bool] = {} if classes is None else {"num_classes": classes}
    arguments |= LIKE_PUBLISHED.get(architecture, {})
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # on weights that are random, which they do not stay
        network: nn.Module = build(weights=None, **arguments)
    return network
