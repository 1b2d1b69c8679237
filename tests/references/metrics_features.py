"""Drawn features for the tests of metrics."""

import torch


def drawn_features(count: int, width: int, seed: int) -> torch.Tensor:
    """Correlated, non-negative features [count, width] as those of a network with ReLUs."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=torch.Generator().manual_seed(99)) / width**0.5
    return torch.relu(torch.randn(count, width, generator=generator) @ mixing + 0.1 * (seed % 3))
