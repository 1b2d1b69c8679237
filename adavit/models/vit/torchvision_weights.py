"""Weights of torchvision's VisionTransformer (`vit_b_16` and so on) in our encoder."""

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.models.fitting import resize_position_embeddings
from adavit.models.vit.encoder import VisionEncoder

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
    # The published files hold the earlier names linear_1 and linear_2.
    r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(0|linear_1)\.": r"blocks.\1.mlp.0.",
    r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(3|linear_2)\.": r"blocks.\1.mlp.2.",
}
"""Patterns of torchvision's names, from their beginning, and our names."""


def load_torchvision_weights(encoder: VisionEncoder, state: Mapping[str, Tensor]) -> None:
    """Takes over the weights of a torchvision VisionTransformer.

    The encoder then gives torchvision's features: `encoder.norm` of its class token is what
    torchvision's classifier sees. It takes images as these weights know them, normalised by the mean
    and deviation of ImageNet. The position embedding is interpolated where the grids differ.

    Args:
        encoder: With the parts of the paper: stem linear, position embedding learned1d, attention
            dot, a class token; width, depth and heads as in `state` (for `vit_b_16` 768, 12, 12
            and patch 16).
        state: The state dictionary. Not changed; its classifier is left out.

    Raises:
        UserError: If the weights are others, or do not fit the encoder.
    """
    found = encoder_state(state)
    if not {"class_token", "position.table", "stem.projection.weight"} <= found.keys():
        raise UserError(
            f"the weights hold {', '.join(sorted(state)[:3]) or 'nothing'}, ..., expected those of"
            " a torchvision VisionTransformer (class_token, conv_proj.weight, ...). Save"
            " torchvision.models.vit_b_16(...).state_dict(), or take another file."
        )
    side = math.isqrt(found["position.table"].shape[1] - 1)
    try:
        # Theirs has a square grid of patches and no LayerScale.
        found = resize_position_embeddings(found, encoder, grid=(side, side))
        encoder.load_state_dict(found)
    except (RuntimeError, KeyError) as error:
        reasons = [line.strip() for line in str(error).splitlines()]
        raise UserError(
            f"the weights do not fit the encoder ({reasons[min(1, len(reasons) - 1)]}), expected"
            " the same patch, width, depth and channels, stem linear, position_embedding"
            " learned1d, attention dot and readout cls. Change the discriminator's settings."
        ) from None


def encoder_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Torchvision's weights under our names; what the encoder does not have is left out.

    Args:
        state: State of a torchvision VisionTransformer. Not changed.

    Returns:
        State of a `VisionEncoder`, with LayerScale at 1.
    """
    found = {}
    for name, tensor in state.items():
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
