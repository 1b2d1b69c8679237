"""Frozen networks of torchvision: `torchvision:NAME`."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from adavit.features.architectures import ARCHITECTURES, Architecture, Tap
from adavit.features.names import FEATURES, NamedBy
from adavit.features.weights import Weights
from adavit.metrics.extractors.weight_files import HashedFile, WeightFile
from adavit.models.vit.torchvision_weights import current_names, positions_like

_COUNTER = "num_batches_tracked"
_POSITIONS = "encoder.pos_embedding"
USUAL_SIDE = 224
"""Of the images that published networks were trained on, in pixels."""


@dataclass(frozen=True)
class Torchvision:
    """The networks of `ARCHITECTURES`.

    Attributes:
        named_by: See `adavit.features.library.Library`.
    """

    name: ClassVar[str] = "torchvision"
    named_by: NamedBy = FEATURES

    def architecture(self, network: str) -> Architecture:
        """See `adavit.features.library.Library`."""
        return ARCHITECTURES[network]

    def find(self, network: str, *, allow_download: bool = True) -> HashedFile:
        """See `adavit.features.library.Library`."""
        return self.published(network).find(allow_download=allow_download)

    def published(self, network: str) -> WeightFile:
        """The file of the weights that torchvision takes unasked."""
        from torchvision.models import get_model_weights

        url: str = get_model_weights(network)["DEFAULT"].url
        return WeightFile(
            network=f"torchvision {network}",
            url=url,
            digest_prefix=url.rsplit("-", 1)[1].partition(".")[0],
            named_as=f"{self.named_by.setting}torchvision:{network}:FILE",
            otherwise=self.named_by.otherwise,
        )

    def check(self, network: str, weights: Weights) -> None:
        """See `adavit.features.library.Library`."""
        with torch.device("meta"):
            whole = _whole(network, USUAL_SIDE)
        _fitting(whole, weights)

    def build(
        self,
        network: str,
        *,
        side: int | tuple[int, int],
        taps: Sequence[Tap],
        weights: Weights | None,
    ) -> nn.Module:
        """See `adavit.features.library.Library`."""
        whole = _whole(network, side)
        if weights is not None:
            _load(whole, weights, side, ARCHITECTURES[network].patch)
        return TorchvisionMaps(whole, taps)


class TorchvisionMaps(nn.Module):
    """A network cut off behind its last tap.

    Args:
        whole: Of torchvision.
        taps: What is looked at.
    """

    def __init__(self, whole: nn.Module, taps: Sequence[Tap]) -> None:
        # Runs without such a network do not wait for its library.
        from torchvision.models.feature_extraction import create_feature_extractor

        super().__init__()
        self.taps = tuple(taps)
        names = {tap.module: str(index) for index, tap in enumerate(self.taps)}
        self.network = create_feature_extractor(whole, names)

    def forward(self, normalised: Tensor) -> list[Tensor]:
        """Outputs [B, C, h, w] of the taps, for images of its size [B, 3, H, W]."""
        outputs = self.network(normalised)
        return [
            _class_token(outputs[str(index)]) if tap.stride is None else _map(outputs[str(index)])
            for index, tap in enumerate(self.taps)
        ]


def _whole(name: str, side: int | tuple[int, int]) -> nn.Module:
    from torchvision.models import get_model_builder

    arguments = {} if ARCHITECTURES[name].patch is None else {"image_size": side}
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # on weights that are random, which they may not stay
        torch.manual_seed(0)
        network: nn.Module = get_model_builder(name)(weights=None, **arguments)
    return network.eval()


def _load(
    whole: nn.Module, weights: Weights, side: int | tuple[int, int], patch: int | None
) -> None:
    state = _fitting(whole, weights)
    if patch is not None:
        from torchvision.models.vision_transformer import interpolate_embeddings

        state = interpolate_embeddings(side, patch, state)
    whole.load_state_dict(state, strict=False)  # a file may lack counters


def _fitting(whole: nn.Module, weights: Weights) -> dict[str, Tensor]:
    """The weights by the names of a network, whatever names their file has, if they are its own."""
    weights = replace(weights, tensors=current_names(weights.tensors))
    weights.check(_expected(whole.state_dict(), weights.tensors), apart_from=_COUNTER)
    return dict(weights.tensors)


def _expected(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a file must hold: position embeddings may be of any side, which those of the file tell."""
    expected = dict(own)
    if _POSITIONS in own and _POSITIONS in found:
        expected[_POSITIONS] = positions_like(own[_POSITIONS], found[_POSITIONS])
    return expected


def _map(output: Tensor) -> Tensor:
    """Features [B, C, h, w] of those, or of tokens [B, 1 + h w, C]."""
    if output.ndim == 4:
        return output
    batch, tokens, channels = output.shape
    side = round((tokens - 1) ** 0.5)
    return output[:, 1:].transpose(1, 2).reshape(batch, channels, side, side)


def _class_token(tokens: Tensor) -> Tensor:
    return tokens[:, 0, :, None, None]  # [B, C, 1, 1]
