"""A file of weights as torchvision publishes them of vit_b_16, quickly made: its twelve blocks are one block."""

from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import vit_b_16


def published_state(seed: int = 0, side: int = 32) -> dict[str, Tensor]:
    """Random weights by torchvision's names, of images of `side` px; blocks share theirs."""
    with torch.device("meta"):
        shapes = vit_b_16(image_size=side).state_dict()
    generator = torch.Generator().manual_seed(seed)
    block, state = "encoder.layers.encoder_layer_", {}
    for name, shape in shapes.items():
        first = f"{block}0.{name.removeprefix(block).partition('.')[2]}"
        if name.startswith(block) and first in state:
            state[name] = state[first]
            continue
        drawn = 0.02 * torch.randn(shape.shape, generator=generator)
        is_norm = "ln" in name and name.endswith("weight")
        state[name] = drawn + 1 if is_norm else drawn
    return state


def write_published(path: Path, seed: int = 0) -> str:
    """Writes such a file; returns how settings name it."""
    torch.save(published_state(seed), path)
    return f"torchvision:vit_b_16:{path}"
