"""Frozen networks of timm, which is installed by choice: `timm:NAME`.

Its convolutional networks give the maps of its `features_only`, its transformers (DINOv2, DINOv3 and their kin) the
patch tokens after some blocks, and the class token.
"""

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adavit.errors import UserError
from adavit.features.architectures import (
    COARSEST_STRIDE,
    FINEST_STRIDE,
    Architecture,
    Tap,
    blocks_of,
)
from adavit.features.names import FEATURES, NamedBy
from adavit.features.weights import Weights
from adavit.metrics.extractors.weight_files import HashedFile, WeightFile
from adavit.runtime.wording import did_you_mean

FILE_PREFIX = "timm-"
"""How the names of downloaded files begin; the rest is the network's name."""
OLDEST = (1, 0, 24)
"""Version from which timm describes a network without memory for its weights."""
_HUB_FILE = "model.safetensors"
_CLASS_TOKEN = "class token"


@dataclass(frozen=True)
class Timm:
    """The convolutional networks of timm, and its transformers of plain patches.

    Attributes:
        named_by: See `adavit.features.library.Library`.
    """

    name: ClassVar[str] = "timm"
    named_by: NamedBy = FEATURES

    def architecture(self, network: str) -> Architecture:
        """See `adavit.features.library.Library`."""
        return _architecture(network, self.named_by)

    def find(self, network: str, *, allow_download: bool = True) -> HashedFile:
        """See `adavit.features.library.Library`."""
        settings = _settings(network, self.named_by)
        if settings.hf_hub_id:
            # Where timm itself would have put it.
            cached = _module("huggingface_hub", self.named_by).try_to_load_from_cache(
                settings.hf_hub_id, _HUB_FILE
            )
            if isinstance(cached, str):
                return HashedFile(Path(cached))
        return self.published(network).find(allow_download=allow_download)

    def published(self, network: str) -> WeightFile:
        """The file of the weights that timm takes for this name.

        Raises:
            UserError: If there are none.
        """
        setting, otherwise = self.named_by.setting, self.named_by.otherwise
        settings = _settings(network, self.named_by)
        if settings.hf_hub_id:
            url = _module("huggingface_hub", self.named_by).hf_hub_url(
                settings.hf_hub_id, _HUB_FILE
            )
        elif settings.url:
            url = settings.url
        else:
            raise UserError(
                f"{setting}timm:{network} names a network without published weights, expected one"
                f" with such. Give a file with {setting}timm:{network}:FILE, or {otherwise}."
            )
        tag = f".{settings.tag}" if settings.tag else ""
        return WeightFile(
            network=f"timm {network}",
            url=url,
            digest_prefix=None,
            named_as=f"{setting}timm:{network}:FILE",
            otherwise=otherwise,
            name=f"{FILE_PREFIX}{settings.architecture}{tag}{Path(url).suffix}",
        )

    def check(self, network: str, weights: Weights) -> None:
        """See `adavit.features.library.Library`. timm renames tensors as it loads them: only then it can tell."""

    def build(
        self,
        network: str,
        *,
        side: int | tuple[int, int],
        taps: Sequence[Tap],
        weights: Weights | None,
    ) -> nn.Module:
        """See `adavit.features.library.Library`."""
        arguments: dict[str, Any] = {}
        if self.architecture(network).patch is not None:
            arguments["img_size"] = side
        if weights is not None:
            arguments |= {
                "pretrained": True,
                "pretrained_cfg_overlay": {"state_dict": dict(weights.tensors)},
            }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                whole: nn.Module = _module("timm", self.named_by).create_model(network, **arguments)
            except (RuntimeError, LookupError, ValueError) as error:
                if weights is None:
                    raise
                raise weights.unfit(f"does not fit ({_first_fault(error)})") from error
        if weights is not None:
            for name, value in whole.state_dict().items():
                if not bool(torch.isfinite(value).all()):
                    raise weights.unfit(f"has values in {name} that are not finite")
        return TimmMaps(whole, taps)


class TimmMaps(nn.Module):
    """What a network of timm sees on its way.

    Args:
        whole: Of timm; it loses what lies behind the last tap.
        taps: What is looked at.
    """

    def __init__(self, whole: Any, taps: Sequence[Tap]) -> None:
        super().__init__()
        modules = _modules(whole)
        self.taps = tuple(taps)
        self.indices = [modules.index(tap.module) for tap in taps if tap.stride is not None]
        self.to_the_end = len(self.indices) < len(self.taps)  # the class token is of the last block
        kept = range(len(modules)) if self.to_the_end else self.indices
        # With the head some networks (CaiT) lose their class token too.
        whole.prune_intermediate_layers(
            list(kept), prune_norm=not self.to_the_end, prune_head=not self.to_the_end
        )
        whole.reset_classifier(0)
        self.network = whole

    def forward(self, normalised: Tensor) -> list[Tensor]:
        """Outputs [B, C, h, w] of the taps, for images of its size [B, 3, H, W]."""
        look: Any = self.network.forward_intermediates
        if not self.to_the_end:
            maps: list[Tensor] = look(normalised, indices=self.indices, intermediates_only=True)
            return maps
        tokens, maps = look(normalised, indices=self.indices)
        class_token = tokens[:, 0, :, None, None]  # [B, C, 1, 1]
        remaining = iter(maps)
        return [class_token if tap.stride is None else next(remaining) for tap in self.taps]

    def tokens(self, normalised: Tensor) -> Tensor:
        """Tokens of a transformer after its last norm [B, 1 + N, C], for images [B, 3, H, W].

        The class token is the first; registers are left out. Needs its tap.
        """
        network: Any = self.network
        tokens: Tensor = network.forward_features(normalised)
        return torch.cat([tokens[:, :1], tokens[:, network.num_prefix_tokens :]], dim=1)


@cache
def _architecture(network: str, named_by: NamedBy) -> Architecture:
    settings = _settings(network, named_by)
    whole = _module("timm", named_by).create_model(
        network, device="meta"
    )  # without memory for weights
    if settings.input_size[0] != 3 or not hasattr(whole, "forward_intermediates"):
        raise _unfit(network, named_by)
    colours: dict[str, Any] = {"mean": tuple(settings.mean), "std": tuple(settings.std)}
    if not hasattr(whole, "num_prefix_tokens"):
        if settings.fixed_input_size:
            raise _unfit(network, named_by)
        maps = [
            Tap(stage["module"], stage["num_chs"], stage["reduction"])
            for stage in _stages(whole)
            if FINEST_STRIDE <= stage["reduction"] <= COARSEST_STRIDE
        ]
        return Architecture(tuple(maps), **colours)
    patch, width = _stages(whole)[0]["reduction"], getattr(whole, "embed_dim", None)
    cut = getattr(getattr(whole, "patch_embed", None), "patch_size", None)
    if width is None or cut != (patch, patch):
        raise _unfit(network, named_by)
    has_token = getattr(whole, "cls_token", None) is not None
    return Architecture(
        tuple(Tap(f"blocks.{k}", width, patch) for k in blocks_of(len(whole.blocks))),
        patch=patch,
        class_token=Tap(_CLASS_TOKEN, width, None) if has_token else None,
        **colours,
    )


def _stages(whole: Any) -> list[dict[str, Any]]:
    """Module, channels and stride of each place that timm looks at."""
    info = whole.feature_info
    return info if isinstance(info, list) else info.info


def _modules(whole: Any) -> list[str]:
    return [stage["module"] for stage in _stages(whole)]


def _settings(network: str, named_by: NamedBy) -> Any:
    """What timm knows of the weights of a name: where they are, and what images they were trained on."""
    timm = _module("timm", named_by)
    try:
        settings = timm.get_pretrained_cfg(network)
    except RuntimeError:  # no weights by this tag
        settings = None
    if settings is None:
        known = [*timm.list_models(), *timm.list_pretrained()]
        hint = did_you_mean(network, known) or f" Name one, or {named_by.otherwise}."
        raise UserError(
            f"{named_by.setting}timm:{network} is unknown to timm, expected one of its {len(known):,} networks, for"
            f" example resnet18 or vit_small_patch14_dinov2.{hint}"
        )
    return settings


def _unfit(network: str, named_by: NamedBy) -> UserError:
    return UserError(
        f"{named_by.setting}timm:{network} gives no maps of images of any side, expected a convolutional"
        f" network or a transformer of square patches. Name such a network, or {named_by.otherwise}."
    )


def _module(name: str, named_by: NamedBy) -> Any:
    """timm, or what comes with it.

    Raises:
        UserError: If it is not installed, or too old.
    """
    needed = ".".join(map(str, OLDEST))
    try:
        module = importlib.import_module(name)
        found = importlib.import_module("timm").__version__
    except ImportError as error:
        raise UserError(
            f"{named_by.setting}timm:... needs timm {needed} or later, which cannot be imported ({error})."
            f' Install it with pip install "adavit[timm]", or {named_by.otherwise}.'
        ) from error
    if tuple(map(int, re.findall(r"\d+", found)[:3])) < OLDEST:
        raise UserError(
            f"{named_by.setting}timm:... found timm {found}, expected {needed} or later. Upgrade it with"
            f' pip install --upgrade "adavit[timm]", or {named_by.otherwise}.'
        )
    return module


def _first_fault(error: Exception) -> str:
    """The first thing that is wrong, of all that torch lists."""
    lines = str(error).strip().splitlines()
    return (lines[1] if len(lines) > 1 else lines[0]).strip()[:120]
