"""Files of weights of a small network, as torchvision's own are stored."""

from pathlib import Path

import torch
from torchvision.models import mobilenet_v3_small


def write_mobilenet(path: Path) -> str:
    """Writes random weights, the same each time; returns how settings name them."""
    torch.manual_seed(0)
    torch.save(mobilenet_v3_small(weights=None).state_dict(), path)
    return f"torchvision:mobilenet_v3_small:{path}"
