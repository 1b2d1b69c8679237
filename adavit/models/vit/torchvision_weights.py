"""Weights of torchvision's VisionTransformer (`vit_b_16` and so on) in our encoder."""

import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.models.fitting import resize_position_embeddings, resized_grid
from adavit.models.vit.encoder import VisionEncoder
from adavit.runtime.patch import Patch

NAMES = {
    r"class_token": "class_token",
    r"encoder\.pos_embedding": "position.table",
    r"conv_proj\.": "stem.projection.",
    r"encoder\.ln\.": "norm.",
    r"encoder\.layers\.encoder_layer_(\d+)\.ln_1\.": r"blocks.\1.attention_norm.",
    r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_": (
        r"blocks.\1.attention.query_key_value."
    ),
    r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj\.": (
        r"blocks.\1.attention.output."
    ),
    r"encoder\.layers\.encoder_layer_(\d+)\.ln_2\.": r"blocks.\1.mlp_norm.",
    r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.0\.": r"blocks.\1.mlp.0.",
    r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.3\.": r"blocks.\1.mlp.2.",
}
"""Patterns of torchvision's names, from their beginning, and our names."""

_EARLIER = {".mlp.linear_1.": ".mlp.0.", ".mlp.linear_2.": ".mlp.3."}


def current_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same by torchvision's names of today: the published files hold earlier ones, linear_1 and linear_2.

    Args:
        state: State of a torchvision VisionTransformer, or another network, whose names stay. Not changed.
    """
    renamed = {}
    for name, tensor in state.items():
        for earlier, current in _EARLIER.items():
            name = name.replace(earlier, current)
        renamed[name] = tensor
    return renamed


def positions_like(own: Tensor, found: Tensor) -> Tensor:
    """What a file's position embeddings must be: for images of any side, which they tell, those of a class token too.

    Args:
        own: Those of a network [1, 1 + N, D].
        found: Those of the file, of any shape.

    Returns:
        `found` if it is [1, 1 + n^2, D] with n at least 1, otherwise `own`.
    """
    if found.ndim != 3 or found.shape[::2] != own.shape[::2]:
        return own
    patches = found.shape[1] - 1
    return found if patches > 0 and math.isqrt(patches) ** 2 == patches else own


def fitted_state(
    encoder: VisionEncoder,
    state: Mapping[str, Tensor],
    *,
    mean: Sequence[float],
    std: Sequence[float],
) -> dict[str, Tensor]:
    """The weights of a torchvision VisionTransformer for an encoder of any grid, patch and number of channels.

    An encoder of the same parts and width then gives torchvision's tokens (`encoder.norm` of the class token is what
    torchvision's classifier sees) of images [B, C, H, W] in [-1, 1]: their normalisation is part of its stem. It
    sees each of its patches as torchvision's network sees that patch resized to the published square,
    bicubically and by itself; the position embedding is interpolated (arXiv:2010.11929, section 3.2).
    Grey is red, green and blue at once. RGBA is seen as on a grey ground, exactly so where a pixel is opaque,
    or transparent and black beneath as images are read; a frozen stem, too, tells that from black.

    Args:
        encoder: With stem linear, position embedding learned1d and a class token; not changed.
        state: The state dictionary. Not changed; its classifier is left out.
        mean: Colour that is 0 to the network, in [0, 1].
        std: What is 1 to it.

    Returns:
        By our names; blocks that the encoder does not have are among them.

    Raises:
        UserError: If the weights are others.
    """
    found = encoder_state(state)
    if not {"class_token", "position.table", "stem.projection.weight"} <= found.keys():
        raise UserError(
            f"the weights hold {', '.join(sorted(state)[:3]) or 'nothing'}, ..., expected those of"
            " a torchvision VisionTransformer (class_token, conv_proj.weight, ...). Save"
            " torchvision.models.vit_b_16(...).state_dict(), or take another file."
        )
    side = math.isqrt(found["position.table"].shape[1] - 1)  # theirs has a square grid of patches
    found = resize_position_embeddings(found, encoder, grid=(side, side))
    kernels = state["conv_proj.weight"]  # [D, 3, P, P]
    stem, bias = seen_unnormalised(kernels, found["stem.projection.bias"], mean=mean, std=std)
    stem, bias = for_channels(stem, bias, encoder.image_channels)
    found["stem.projection.weight"] = at_patch(stem, encoder.patch).flatten(1)
    found["stem.projection.bias"] = bias
    return found


def load_torchvision_weights(
    encoder: VisionEncoder,
    state: Mapping[str, Tensor],
    *,
    mean: Sequence[float],
    std: Sequence[float],
) -> None:
    """Takes over all weights of a torchvision VisionTransformer, as `fitted_state` makes them.

    Args:
        encoder: As there, with attention dot, and width, depth and heads as in `state`.
        state: As there.
        mean: As there.
        std: As there.

    Raises:
        UserError: If the weights are others, or do not fit the encoder.
    """
    try:
        encoder.load_state_dict(fitted_state(encoder, state, mean=mean, std=std))
    except (RuntimeError, KeyError) as error:
        reasons = [line.strip() for line in str(error).splitlines()]
        raise UserError(
            f"the weights do not fit the encoder ({reasons[min(1, len(reasons) - 1)]}), expected"
            " the same width and depth, stem linear, position_embedding learned1d, attention dot"
            " and readout cls. Change the discriminator's settings."
        ) from None


def seen_unnormalised(
    kernels: Tensor, bias: Tensor, *, mean: Sequence[float], std: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Kernels [D, 3, P, P] and bias [D] that do to x in [-1, 1] what those given do to ((x + 1) / 2 - mean) / std."""
    deviation = torch.tensor(std).view(1, 3, 1, 1)
    offset = (0.5 - torch.tensor(mean).view(1, 3, 1, 1)) / deviation
    return kernels * 0.5 / deviation, bias + (kernels * offset).sum(dim=(1, 2, 3))


def for_channels(kernels: Tensor, bias: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Kernels [D, 3, P, P] and bias [D] of colours in [-1, 1] for images of `count` channels: 1, 3 or 4."""
    if count == 1:
        return kernels.sum(dim=1, keepdim=True), bias
    if count == 4:
        # Of a transparent pixel x is -1 and alpha -1, and 0 is to be seen: x + (1 - alpha) / 2.
        alpha = -kernels.sum(dim=1, keepdim=True) / 2
        return torch.cat([kernels, alpha], dim=1), bias - alpha.sum(dim=(1, 2, 3))
    return kernels, bias


def at_patch(kernels: Tensor, patch: Patch) -> Tensor:
    """Kernels [D, C, P, P] for patches of other sides: their products with what they would see of them resized to P.

    Each axis is resized by a matrix, of which this is the transpose.
    """
    rows, columns = (_resizing(side, kernels.shape[2]) for side in patch)
    return torch.einsum("dcab,ia,jb->dcij", kernels, rows, columns)


def _resizing(side: int, published: int) -> Tensor:
    """What each of `side` pixels becomes of `published` ones [side, published]."""
    resized = resized_grid(torch.eye(side).view(1, side, side, 1), (published, 1))
    return resized[0, :, :, 0]


def encoder_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Torchvision's weights under our names; what the encoder does not have is left out.

    Args:
        state: State of a torchvision VisionTransformer. Not changed.

    Returns:
        State of a `VisionEncoder`, with LayerScale at 1.
    """
    found = {}
    for name, tensor in current_names(state).items():
        for theirs, ours in NAMES.items():
            renamed, count = re.subn(f"^{theirs}", ours, name)
            if count:
                found[renamed] = tensor
                break
    weight = found.get("stem.projection.weight")
    if weight is not None:
        found["stem.projection.weight"] = weight.flatten(1)  # [D, C P P], as patches are flattened
    for name, tensor in list(found.items()):
        if name.endswith("_norm.weight"):
            scale = name.replace("_norm.weight", "_scale.factors")
            found[scale] = torch.ones_like(tensor)
    return found
